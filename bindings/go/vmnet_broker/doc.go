// SPDX-License-Identifier: Apache-2.0

// Package vmnet_broker gives programs the networks of vmnet-broker, by name.
//
//	network, err := vmnet_broker.Acquire(ctx, "default")
//	if err != nil {
//		return err
//	}
//	defer network.Close()
//	nic, err := network.Attach(ctx, nil)
//	...
//	defer nic.Close()
//	command.ExtraFiles = []*os.File{nic.File()}
//
// That is Linux, where the package speaks Varlink and needs nothing but the
// standard library. On macOS it calls libvmnet-broker by cgo, and
// [Network.Serialization] stands for the attach; AcquireNetwork is there, too,
// as programs for macOS have it.
//
// A context ends the wait for a call, and what the call gets after that is given
// back. Connections, networks and interfaces may be used by several goroutines:
// a connection makes one call at a time.
package vmnet_broker
