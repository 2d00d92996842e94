// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import (
	"context"
	"net/netip"
	"os"
)

// AttachOptions is what an interface is asked to be, for as long as it lives. The zero
// value is the default.
type AttachOptions struct {
	// MAC is like "52:54:00:12:34:56". "": the broker chooses, the same for the same
	// network, user and Name each time.
	MAC         string
	Name        string     // of the machine: a DNS label that no other one there has
	IPv4Address netip.Addr // of the network, and free; zero: DHCP's choice
	IPv6Address netip.Addr // the same
	// PortForwarding is ports of the host that are to lead to it.
	PortForwarding []PortForwarding
	RateLimitIn    RateLimit // to the machine; zero: the configuration's
	RateLimitOut   RateLimit // from the machine; zero: the configuration's
	Queues         int       // 1 to 16; 0: 1
	Vhost          bool      // open /dev/vhost-net too, once per queue, where the host has it
	// OpenByName makes a device that the caller's user can open by its name, for programs
	// that take no descriptor. It goes when the hold does, and no file comes with it.
	OpenByName bool
}

// Interface is an attached interface. It stays for as long as a descriptor of it is
// open, here or in a process that has inherited it.
type Interface struct {
	InterfaceInfo
	// Files are the open TAP device, one per queue. They read and write frames that
	// start with a struct virtio_net_hdr, and are closed on exec.
	Files      []*os.File
	VhostFiles []*os.File // one per queue, or none
}

// File is the file of the first queue, or nil of one that is opened by its name.
func (i *Interface) File() *os.File {
	if len(i.Files) == 0 {
		return nil
	}
	return i.Files[0]
}

// Close closes the files.
func (i *Interface) Close() error {
	closeAll(i.Files)
	closeAll(i.VhostFiles)
	return nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

// Attach attaches an interface to the network; options may be nil.
func (n *Network) Attach(ctx context.Context, options *AttachOptions) (*Interface, error) {
	if options == nil {
		options = &AttachOptions{}
	}
	wanted := *options
	if wanted.Queues == 0 {
		wanted.Queues = 1
	}
	var attached *Interface
	err := n.broker.do(ctx, func() (err error) {
		attached, err = n.broker.conn.attach(n.Name, wanted)
		return err
	}, func() { _ = attached.Close() })
	if err != nil {
		return nil, err
	}
	return attached, nil
}

// Capture opens what a machine sends and gets from now on, by its device, which need not
// be attached by this connection, but by the same user; root may open anybody's. A Read
// gives one frame, with a struct virtio_net_hdr of 10 bytes before it. Frames for which
// a slow reader leaves no room are lost. When the machine ends, so do they, with an error.
func (b *Broker) Capture(ctx context.Context, network, device string) (*os.File, error) {
	if err := checkName(network); err != nil {
		return nil, err
	}
	var file *os.File
	err := b.do(ctx, func() (err error) {
		file, err = b.conn.capture(network, device)
		return err
	}, func() { _ = file.Close() })
	if err != nil {
		return nil, err
	}
	return file, nil
}

// EndNetwork ends a network whoever uses it: the interfaces of its machines, and all
// holds with their connections, on which the next call returns ErrEnded; a hold of this
// one is released. Only for root, or when all that ends is the caller's own user's.
func (b *Broker) EndNetwork(ctx context.Context, network string) error {
	return b.end(ctx, network, nil)
}

// EndInterface ends the interface of one machine, by its device. Only for root, or the
// user who attached it.
func (b *Broker) EndInterface(ctx context.Context, network, device string) error {
	return b.end(ctx, network, &device)
}

func (b *Broker) end(ctx context.Context, network string, device *string) error {
	if err := checkName(network); err != nil {
		return err
	}
	return b.do(ctx, func() error { return b.conn.end(network, device) }, nil)
}
