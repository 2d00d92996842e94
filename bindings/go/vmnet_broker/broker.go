// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import "context"

// Broker is a connection to the broker. Holds are taken on one, and end with it.
type Broker struct {
	conn  *conn
	turn  chan struct{}  // full while a call is made
	holds map[string]int // how many Networks stand for each; looked at in one's turn
}

// Connect connects to the broker, which is started by that where it is started on
// demand.
func Connect(ctx context.Context) (*Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return &Broker{conn: conn, turn: make(chan struct{}, 1), holds: map[string]int{}}, nil
}

// Close ends the connection, and with it every hold of it. Interfaces that are open
// stay. A call that waits returns.
func (b *Broker) Close() error {
	b.conn.close()
	return nil
}

// do makes a call when it is its turn. ctx ends the wait, and not the call: what that
// gets nevertheless is given back by undo, if there is one.
func (b *Broker) do(ctx context.Context, call func() error, undo func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error)
	go func() {
		err := call()
		select {
		case done <- err:
		case <-ctx.Done():
			if err == nil && undo != nil {
				undo()
			}
		}
		<-b.turn
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask makes a call about a network when it is its turn.
func ask[T any](ctx context.Context, b *Broker, name string, call func(string) (T, error)) (T, error) {
	var answer, none T
	if err := checkName(name); err != nil {
		return none, err
	}
	err := b.do(ctx, func() (err error) {
		answer, err = call(name)
		return err
	}, nil)
	if err != nil {
		return none, err
	}
	return answer, nil
}

// Networks lists the networks that this user may acquire, active or not, by name.
func (b *Broker) Networks(ctx context.Context) ([]NetworkInfo, error) {
	var networks []NetworkInfo
	err := b.do(ctx, func() (err error) {
		networks, err = b.conn.networks()
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return networks, nil
}

// Describe tells about one network itself, which need not be held. name may be an
// alias, as in all of these calls.
func (b *Broker) Describe(ctx context.Context, name string) (NetworkInfo, error) {
	return ask(ctx, b, name, b.conn.describe)
}

// Clients lists the connections that hold a network.
func (b *Broker) Clients(ctx context.Context, name string) ([]Client, error) {
	return ask(ctx, b, name, b.conn.clients)
}

// Interfaces lists those that are attached to a network (Linux).
func (b *Broker) Interfaces(ctx context.Context, name string) ([]InterfaceInfo, error) {
	return ask(ctx, b, name, b.conn.interfaces)
}

// Leases lists the addresses that a network's machines have by DHCP (Linux).
func (b *Broker) Leases(ctx context.Context, name string) ([]Lease, error) {
	return ask(ctx, b, name, b.conn.leases)
}

// Inspect is all of these at once.
func (b *Broker) Inspect(ctx context.Context, name string) (*Inspection, error) {
	inspection, err := ask(ctx, b, name, b.conn.inspect)
	if err != nil {
		return nil, err
	}
	return &inspection, nil
}

// Reload has the broker read its configuration again. Root only.
func (b *Broker) Reload(ctx context.Context) error {
	return b.do(ctx, func() error { return b.conn.reload() }, nil)
}

// Acquire takes a hold on a network: the first one anywhere makes it, and the call
// returns when it is usable. name may be an alias.
//
// A connection has one hold on a network. It is given back when each of the Networks
// that were acquired of it is closed.
func (b *Broker) Acquire(ctx context.Context, name string) (*Network, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var info NetworkInfo
	err := b.do(ctx, func() (err error) {
		info, err = b.conn.acquire(name)
		if err == nil {
			b.holds[info.Name]++
		}
		return err
	}, func() { _ = b.letGo(info.Name) })
	if err != nil {
		return nil, err
	}
	return &Network{NetworkInfo: info, broker: b}, nil
}

// letGo is called in one's turn.
func (b *Broker) letGo(name string) error {
	if b.holds[name]--; b.holds[name] > 0 {
		return nil
	}
	delete(b.holds, name)
	return b.conn.release(name)
}
