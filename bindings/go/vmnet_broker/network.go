// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import "context"

// Network is a hold on a network: it stays until Close, or the connection's end.
type Network struct {
	NetworkInfo // as it was when it was acquired
	broker      *Broker
	owned       bool // the connection is this network's alone
	released    bool // looked at in one's turn
}

// Acquire connects to the broker and acquires a network. Its Close ends the
// connection, too.
func Acquire(ctx context.Context, name string) (*Network, error) {
	broker, err := Connect(ctx)
	if err != nil {
		return nil, err
	}
	network, err := broker.Acquire(ctx, name)
	if err != nil {
		_ = broker.Close()
		return nil, err
	}
	network.owned = true
	return network, nil
}

// Release gives the hold back. The last one of all takes the network with it, unless
// an interface on it is still open. To release again does nothing.
func (n *Network) Release(ctx context.Context) error {
	err := n.broker.do(ctx, func() error {
		if n.released {
			return nil
		}
		n.released = true
		return n.broker.letGo(n.Name)
	}, nil)
	if n.owned && (err == nil || ctx.Err() == nil) {
		_ = n.broker.Close()
	}
	return err
}

// Close is Release, for as long as it takes.
func (n *Network) Close() error {
	return n.Release(context.Background())
}
