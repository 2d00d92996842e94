// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

/*
#cgo darwin CFLAGS: "-I/Library/Application Support/vmnet-broker/include"
#cgo darwin LDFLAGS: "-L/Library/Application Support/vmnet-broker/lib"
#cgo darwin LDFLAGS: "-Wl,-rpath,/Library/Application Support/vmnet-broker/lib"
#cgo LDFLAGS: -lvmnet-broker
#include <stdlib.h>
#include <vmnet-broker.h>
*/
import "C"

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"sync"
	"unsafe"
)

// How long, in milliseconds, the library waits for an event before it is seen whether
// the monitor has been closed: nothing interrupts that wait.
const eventWait = 500

// Address is where the broker is looked for: the Mach service's name.
func Address() string {
	return C.GoString(C.vmnet_broker_address())
}

// conn is a connection of the library, which one thread may use at a time.
type conn struct {
	mutex  sync.Mutex // held during a call
	broker *C.struct_vmnet_broker
	closed chan struct{}
	once   sync.Once
}

func dial(ctx context.Context) (*conn, error) {
	var status C.vmnet_broker_return_t
	broker, err := C.vmnet_broker_connect(&status)
	if broker == nil {
		return nil, failed(Error(status), "", err)
	}
	return &conn{broker: broker, closed: make(chan struct{})}, nil
}

// close closes it now, or after the call that is being made.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.closed)
		if c.mutex.TryLock() {
			c.end()
		} else {
			go func() {
				c.mutex.Lock()
				c.end()
			}()
		}
	})
}

func (c *conn) end() {
	C.vmnet_broker_close(c.broker)
	c.broker = nil
	c.mutex.Unlock()
}

// call makes one call about a network, or about none, "".
func (c *conn) call(network string, call func(name *C.char) C.vmnet_broker_return_t) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.broker == nil {
		return failed(ErrXPCFailure, network, os.ErrClosed)
	}
	name := C.CString(network)
	defer C.free(unsafe.Pointer(name))
	status := call(name)
	if status == C.VMNET_BROKER_SUCCESS {
		return nil
	}
	return &CallError{
		Kind: Error(status), Message: C.GoString(C.vmnet_broker_error(c.broker)), Network: network,
	}
}

func (c *conn) networks() (networks []NetworkInfo, err error) {
	err = c.call("", func(*C.char) C.vmnet_broker_return_t {
		var listed **C.struct_vmnet_broker_network
		var n C.size_t
		status := C.vmnet_broker_list(c.broker, &listed, &n)
		networks = goItems(listed, n, goNetwork)
		C.vmnet_broker_networks_free(listed, n)
		return status
	})
	return networks, err
}

func (c *conn) inspect(name string) (inspection Inspection, err error) {
	err = c.call(name, func(name *C.char) C.vmnet_broker_return_t {
		var found *C.struct_vmnet_broker_inspection
		status := C.vmnet_broker_inspect(c.broker, name, &found)
		if found != nil {
			inspection = goInspection(found)
			C.vmnet_broker_inspection_free(found)
		}
		return status
	})
	return inspection, err
}

func (c *conn) describe(name string) (NetworkInfo, error) {
	inspection, err := c.inspect(name)
	return inspection.Network, err
}

func (c *conn) clients(name string) ([]Client, error) {
	inspection, err := c.inspect(name)
	return inspection.Clients, err
}

func (c *conn) interfaces(name string) ([]InterfaceInfo, error) {
	inspection, err := c.inspect(name)
	return inspection.Interfaces, err
}

func (c *conn) leases(name string) ([]Lease, error) {
	inspection, err := c.inspect(name)
	return inspection.Leases, err
}

func (c *conn) acquire(name string) (network NetworkInfo, err error) {
	err = c.call(name, func(name *C.char) C.vmnet_broker_return_t {
		var acquired *C.struct_vmnet_broker_network
		status := C.vmnet_broker_acquire(c.broker, name, &acquired)
		if acquired != nil {
			network = goNetwork(acquired)
			C.vmnet_broker_network_free(acquired)
		}
		return status
	})
	return network, err
}

func (c *conn) release(name string) error {
	return c.call(name, func(name *C.char) C.vmnet_broker_return_t {
		return C.vmnet_broker_release(c.broker, name)
	})
}

func (c *conn) reload() error {
	return c.call("", func(*C.char) C.vmnet_broker_return_t {
		return C.vmnet_broker_reload(c.broker)
	})
}

func (c *conn) startMonitoring() error {
	return c.call("", func(*C.char) C.vmnet_broker_return_t {
		return C.vmnet_broker_monitor(c.broker)
	})
}

func (c *conn) nextEvent() (event *Event, err error) {
	for event == nil && err == nil {
		err = c.call("", func(*C.char) C.vmnet_broker_return_t {
			var come *C.struct_vmnet_broker_event
			status := C.vmnet_broker_next_event(c.broker, eventWait, &come)
			if come != nil {
				event = goEvent(come)
				C.vmnet_broker_event_free(come)
			}
			return status
		})
		select {
		case <-c.closed:
			return nil, os.ErrClosed
		default:
		}
	}
	return event, err
}

// Serialization is a network for vmnet_network_create_with_serialization() of vmnet.
type Serialization struct {
	object C.xpc_object_t
}

// Raw is the xpc_object_t. It is the Serialization's own, until Close.
func (s *Serialization) Raw() unsafe.Pointer {
	return unsafe.Pointer(s.object)
}

// Close releases the object. Nothing else does.
func (s *Serialization) Close() error {
	if s.object != nil {
		C.xpc_release(s.object)
		s.object = nil
	}
	return nil
}

// Serialization is what others make a network of their own of. A broker that died
// meanwhile is found again, and what was made of the serialization before is dead.
func (n *Network) Serialization(ctx context.Context) (*Serialization, error) {
	var serialization *Serialization
	err := n.broker.do(ctx, func() (err error) {
		serialization, err = n.broker.conn.serialization(n.Name)
		return err
	}, func() { _ = serialization.Close() })
	if err != nil {
		return nil, err
	}
	return serialization, nil
}

func (c *conn) serialization(name string) (*Serialization, error) {
	serialization := &Serialization{}
	err := c.call(name, func(name *C.char) C.vmnet_broker_return_t {
		var status C.vmnet_broker_return_t
		serialization.object = C.vmnet_broker_network_serialization(c.broker, name, &status)
		return status
	})
	return serialization, err
}

// AcquireNetwork acquires a network for the rest of the process's life.
func AcquireNetwork(name string) (*Serialization, error) {
	var status C.vmnet_broker_return_t
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	object := C.vmnet_broker_acquire_network(text, &status)
	if status != C.VMNET_BROKER_SUCCESS {
		return nil, failed(Error(status), name, nil)
	}
	return &Serialization{object: object}, nil
}

// goItems makes values of an array of pointers.
func goItems[T, V any](array **T, n C.size_t, value func(*T) V) []V {
	items := make([]V, 0, n)
	for _, item := range unsafe.Slice(array, n) {
		items = append(items, value(item))
	}
	return items
}

var modes = map[C.enum_vmnet_broker_mode]Mode{
	C.VMNET_BROKER_SHARED:  Shared,
	C.VMNET_BROKER_HOST:    Host,
	C.VMNET_BROKER_BRIDGED: Bridged,
}

func goConfiguration(text *C.char) (configuration *NetworkConfiguration) {
	if json.Unmarshal([]byte(C.GoString(text)), &configuration) != nil {
		return nil
	}
	return configuration
}

// Addresses that are none are the zero value.
func goAddress(text *C.char) netip.Addr {
	address, _ := netip.ParseAddr(C.GoString(text))
	return address
}

func goPrefix(text *C.char) netip.Prefix {
	prefix, _ := netip.ParsePrefix(C.GoString(text))
	return prefix
}

func goNetwork(network *C.struct_vmnet_broker_network) NetworkInfo {
	return NetworkInfo{
		Name:              C.GoString(network.name),
		Description:       C.GoString(network.description),
		Mode:              modes[network.mode],
		Active:            bool(network.active),
		IPv4Subnet:        goPrefix(network.ipv4_subnet),
		IPv4Gateway:       goAddress(network.ipv4_gateway),
		IPv6Prefix:        goPrefix(network.ipv6_prefix),
		MTU:               int(network.mtu),
		Clients:           int(network.clients),
		Changed:           bool(network.changed),
		Removed:           bool(network.removed),
		Fault:             C.GoString(network.fault),
		RoguePackets:      -1,
		Configuration:     goConfiguration(network.configuration),
		NextConfiguration: goConfiguration(network.next_configuration),
	}
}

func goClient(client *C.struct_vmnet_broker_client) Client {
	return Client{
		PID: int(client.pid), UID: int(client.uid), Command: C.GoString(client.command),
	}
}

// Interfaces and leases are Linux's.
func goInspection(inspection *C.struct_vmnet_broker_inspection) Inspection {
	return Inspection{
		Network:    goNetwork(inspection.network),
		Clients:    goItems(inspection.clients, inspection.n_clients, goClient),
		Interfaces: []InterfaceInfo{},
		Leases:     []Lease{},
	}
}

func goEvent(come *C.struct_vmnet_broker_event) *Event {
	event := &Event{
		Type:    EventType(C.GoString(C.vmnet_broker_event_name(come._type))),
		Network: C.GoString(come.network),
		Fault:   C.GoString(come.fault),
	}
	if come.client != nil {
		client := goClient(come.client)
		event.Client = &client
	}
	return event
}
