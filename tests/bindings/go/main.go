// SPDX-License-Identifier: Apache-2.0

// Driver does the steps of a case of conformance/ with the binding for Go. They come
// on standard input, what came of them goes to standard output: driver.c.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

const timeout = 20 * time.Second

type object = map[string]any

type forwarding struct {
	Protocol        vmnet_broker.Protocol `json:"protocol"`
	ExternalAddress netip.Addr            `json:"external_address"`
	ExternalPort    uint16                `json:"external_port"`
	InternalAddress netip.Addr            `json:"internal_address"`
	InternalPort    uint16                `json:"internal_port"`
	Count           uint16                `json:"count"`
}

type rate struct {
	BitsPerSecond uint64 `json:"bits_per_second"`
	BurstBytes    uint32 `json:"burst_bytes"`
}

type step struct {
	On             string       `json:"on"`
	Call           string       `json:"call"`
	Network        string       `json:"network"`
	MAC            string       `json:"mac_address"`
	Name           string       `json:"name"`
	IPv4           netip.Addr   `json:"ipv4_address"`
	IPv6           netip.Addr   `json:"ipv6_address"`
	PortForwarding []forwarding `json:"port_forwarding"`
	RateIn         rate         `json:"rate_limit_in"`
	RateOut        rate         `json:"rate_limit_out"`
	Queues         int          `json:"queues"`
	Vhost          bool         `json:"vhost"`
	OpenByName     bool         `json:"open_by_name"`
	Device         *string      `json:"device"`
}

func (s step) options() *vmnet_broker.AttachOptions {
	options := &vmnet_broker.AttachOptions{
		MAC: s.MAC, Name: s.Name, IPv4Address: s.IPv4, IPv6Address: s.IPv6,
		RateLimitIn: vmnet_broker.RateLimit(s.RateIn), RateLimitOut: vmnet_broker.RateLimit(s.RateOut),
		Queues: s.Queues, Vhost: s.Vhost, OpenByName: s.OpenByName,
	}
	for _, f := range s.PortForwarding {
		options.PortForwarding = append(options.PortForwarding, vmnet_broker.PortForwarding(f))
	}
	return options
}

// driver has what there is, by the names of connections.
type driver struct {
	brokers    map[string]*vmnet_broker.Broker
	monitors   map[string]*vmnet_broker.Monitor
	networks   map[string]*vmnet_broker.Network
	interfaces []*vmnet_broker.Interface // in their order
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(1)
	}
}

// optional is nil for a zero value.
func optional[T comparable](value T) any {
	var zero T
	if value == zero {
		return nil
	}
	return value
}

func network(n vmnet_broker.NetworkInfo) object {
	return object{
		"name": n.Name, "description": optional(n.Description), "mode": n.Mode,
		"active": n.Active, "ipv4_subnet": optional(n.IPv4Subnet),
		"ipv4_gateway": optional(n.IPv4Gateway), "ipv6_prefix": optional(n.IPv6Prefix),
		"ipv6_gateway": optional(n.IPv6Gateway), "mtu": n.MTU, "bridge": optional(n.Bridge),
		"clients": n.Clients, "interfaces": n.Interfaces, "changed": n.Changed,
		"removed": n.Removed, "fault": optional(n.Fault),
	}
}

// isNone tells whether a member is what stands for none.
func isNone(member any) bool {
	limit, isObject := member.(object)
	return member == nil || member == "" || isObject && limit["bitsPerSecond"] == 0.0
}

// without is a value without what is none.
func without(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = without(value[i])
		}
	case object:
		for name, member := range value {
			if isNone(member) {
				delete(value, name)
			} else {
				value[name] = without(member)
			}
		}
	}
	return value
}

// configuration is one as the protocol has it, or nil.
func configuration(c *vmnet_broker.NetworkConfiguration) (value any) {
	text, err := json.Marshal(c)
	check(err)
	check(json.Unmarshal(text, &value))
	return without(value)
}

func configurations(networks []vmnet_broker.NetworkInfo) object {
	made, next := []any{}, []any{}
	for _, n := range networks {
		made = append(made, configuration(n.Configuration))
		next = append(next, configuration(n.NextConfiguration))
	}
	return object{"configurations": made, "next": next}
}

func client(c vmnet_broker.Client) object {
	return object{"pid": c.PID, "uid": c.UID, "command": c.Command}
}

func port(f vmnet_broker.PortForwarding) object {
	return object{
		"protocol": f.Protocol, "external_address": optional(f.ExternalAddress),
		"external_port": f.ExternalPort, "internal_address": optional(f.InternalAddress),
		"internal_port": f.InternalPort, "count": f.Count,
	}
}

func limit(r vmnet_broker.RateLimit) any {
	if r.BitsPerSecond == 0 {
		return nil
	}
	return object{"bits_per_second": r.BitsPerSecond, "burst_bytes": optional(r.BurstBytes)}
}

func nic(i vmnet_broker.InterfaceInfo) object {
	return object{
		"device": i.Device, "name": optional(i.Name), "mac_address": i.MAC,
		"ipv4_address": optional(i.IPv4Address), "ipv6_address": optional(i.IPv6Address),
		"port_forwarding": list(i.PortForwarding, port), "rate_limit_in": limit(i.RateLimitIn),
		"rate_limit_out": limit(i.RateLimitOut), "mtu": i.MTU, "vnet_header": i.VnetHeader,
		"uid": i.UID, "attached": i.Attached.Unix(),
	}
}

func lease(l vmnet_broker.Lease) object {
	var expires any
	if !l.Expires.IsZero() {
		expires = l.Expires.Unix()
	}
	return object{
		"mac_address": l.MAC, "address": l.Address, "hostname": optional(l.Hostname),
		"expires": expires,
	}
}

func list[T any](items []T, value func(T) object) []object {
	values := []object{}
	for _, item := range items {
		values = append(values, value(item))
	}
	return values
}

func item[T any](item *T, value func(T) object) any {
	if item == nil {
		return nil
	}
	return value(*item)
}

func inspection(i *vmnet_broker.Inspection) object {
	var rogue any
	if i.Network.RoguePackets >= 0 {
		rogue = i.Network.RoguePackets
	}
	return object{
		"network": network(i.Network), "clients": list(i.Clients, client),
		"interfaces": list(i.Interfaces, nic), "leases": list(i.Leases, lease),
		"rogue_packets": rogue,
	}
}

func event(e *vmnet_broker.Event) object {
	return object{
		"type": e.Type, "network": e.Network, "interface": item(e.Interface, nic),
		"client": item(e.Client, client), "lease": item(e.Lease, lease),
		"fault": optional(e.Fault),
	}
}

// opened is what descriptors are, and how many of them a new program would get.
func opened(files []*os.File) (names []string, inheritable int) {
	names = []string{}
	for _, file := range files {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
		check(err)
		names = append(names, name)
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, file.Fd(), syscall.F_GETFD, 0)
		if flags&syscall.FD_CLOEXEC == 0 {
			inheritable++
		}
	}
	return names, inheritable
}

func attached(i *vmnet_broker.Interface) object {
	tap, inheritable := opened(i.Files)
	vhost, more := opened(i.VhostFiles)
	return object{
		"interface": nic(i.InterfaceInfo), "tap": tap, "vhost": vhost,
		"inheritable": inheritable + more,
	}
}

// device is the one that is named, or that of the interface that was attached last.
func (d *driver) device(s step) string {
	if s.Device != nil {
		return *s.Device
	}
	return d.interfaces[len(d.interfaces)-1].Device
}

func (d *driver) open(ctx context.Context, s step) (err error) {
	if s.Call == "monitor" {
		d.monitors[s.On], err = vmnet_broker.NewMonitor(ctx)
	} else if d.brokers[s.On] == nil && d.monitors[s.On] == nil {
		d.brokers[s.On], err = vmnet_broker.Connect(ctx)
	}
	return err
}

func (d *driver) make(ctx context.Context, s step) (object, error) {
	if err := d.open(ctx, s); err != nil {
		return nil, err
	}
	broker, held := d.brokers[s.On], s.On+" "+s.Network
	switch s.Call {
	case "list":
		networks, err := broker.Networks(ctx)
		return object{"networks": list(networks, network)}, err
	case "configurations":
		networks, err := broker.Networks(ctx)
		return configurations(networks), err
	case "describe":
		found, err := broker.Describe(ctx, s.Network)
		return object{"network": network(found)}, err
	case "clients":
		clients, err := broker.Clients(ctx, s.Network)
		return object{"clients": list(clients, client)}, err
	case "interfaces":
		interfaces, err := broker.Interfaces(ctx, s.Network)
		return object{"interfaces": list(interfaces, nic)}, err
	case "leases":
		leases, err := broker.Leases(ctx, s.Network)
		return object{"leases": list(leases, lease)}, err
	case "inspect":
		found, err := broker.Inspect(ctx, s.Network)
		if err != nil {
			return nil, err
		}
		return inspection(found), nil
	case "acquire":
		acquired, err := broker.Acquire(ctx, s.Network)
		if err != nil {
			return nil, err
		}
		d.networks[held] = acquired
		return object{"network": network(acquired.NetworkInfo)}, nil
	case "release":
		return object{}, d.networks[held].Release(ctx)
	case "reload":
		return object{}, broker.Reload(ctx)
	case "attach":
		made, err := d.networks[held].Attach(ctx, s.options())
		if err != nil {
			return nil, err
		}
		d.interfaces = append(d.interfaces, made)
		return attached(made), nil
	case "detach":
		last := len(d.interfaces) - 1
		made := d.interfaces[last]
		d.interfaces = d.interfaces[:last]
		return object{}, made.Close()
	case "capture":
		file, err := broker.Capture(ctx, s.Network, d.device(s))
		if err != nil {
			return nil, err
		}
		names, inheritable := opened([]*os.File{file})
		return object{"capture": names, "inheritable": inheritable}, file.Close()
	case "end":
		return object{}, broker.EndNetwork(ctx, s.Network)
	case "end_interface":
		return object{}, broker.EndInterface(ctx, s.Network, d.device(s))
	case "close":
		delete(d.brokers, s.On)
		return object{}, broker.Close()
	case "event":
		come, err := d.monitors[s.On].Next(ctx)
		if err != nil {
			return nil, err
		}
		return event(come), nil
	}
	return object{}, nil
}

func (d *driver) step(s step) object {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	reply, err := d.make(ctx, s)
	if err == nil {
		return object{"reply": reply}
	}
	var call *vmnet_broker.CallError
	if !errors.As(err, &call) || !errors.Is(err, call.Kind) {
		check(err)
	}
	return object{"error": object{
		"status": call.Kind, "message": err.Error(), "name": call.Name, "field": call.Field,
	}}
}

func main() {
	var steps []step
	check(json.NewDecoder(os.Stdin).Decode(&steps))
	d := driver{
		brokers:  map[string]*vmnet_broker.Broker{},
		monitors: map[string]*vmnet_broker.Monitor{},
		networks: map[string]*vmnet_broker.Network{},
	}
	results := []object{}
	for _, s := range steps {
		results = append(results, d.step(s))
	}
	check(json.NewEncoder(os.Stdout).Encode(results))
}
