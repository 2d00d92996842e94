// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

// What data/com.github.nirs.vmnetbroker.varlink declares: every name of it that is
// sent or received is in this file, or in a tag or an enumeration of types.go.

import (
	"bytes"
	"encoding/json"
	"os"
	"time"
)

const (
	protocol = "com.github.nirs.vmnetbroker."
	service  = "org.varlink.service."

	methodAcquire    = protocol + "Acquire"
	methodAttach     = protocol + "Attach"
	methodCapture    = protocol + "Capture"
	methodClients    = protocol + "ListClients"
	methodDescribe   = protocol + "DescribeNetwork"
	methodEnd        = protocol + "End"
	methodInterfaces = protocol + "ListInterfaces"
	methodLeases     = protocol + "ListLeases"
	methodMonitor    = protocol + "Monitor"
	methodNetworks   = protocol + "ListNetworks"
	methodRelease    = protocol + "Release"
	methodReload     = protocol + "Reload"
	methodInfo       = service + "GetInfo"

	errorInvalidParameter = service + "InvalidParameter"
)

var kinds = map[string]Error{
	protocol + "NetworkNotFound":      ErrNotFound,
	protocol + "NotAllowed":           ErrNotAllowed,
	protocol + "NotAcquired":          ErrInvalidRequest,
	protocol + "CreateFailed":         ErrCreateFailure,
	protocol + "LimitExceeded":        ErrInternalError,
	protocol + "InvalidConfiguration": ErrCreateFailure,
	protocol + "ParameterRefused":     ErrInvalidRequest,
	protocol + "Ended":                ErrEnded,
	protocol + "Internal":             ErrInternalError,
	errorInvalidParameter:             ErrInvalidRequest,
}

// forms are what parameters have to be: the broker names only the one that is not so.
var forms = map[string]string{
	"macAddress":     "it is a machine's own address, like 52:54:00:12:34:56",
	"name":           "it is 1 to 63 of a-z A-Z 0-9 - and neither starts nor ends with -",
	"ipv4Address":    "it is an address like 192.168.64.10",
	"ipv6Address":    "it is an address like fd12:3456:789a:1::10",
	"portForwarding": "ports are 1 to 65535, and both addresses of one family",
	"rateLimitIn":    "it is more than 0 bits per second",
	"rateLimitOut":   "it is more than 0 bits per second",
	"queues":         "they are 1 to 16",
	"device":         "it is the host's name of a machine's device",
}

type networkParameters struct {
	Network string `json:"network"`
}

type deviceParameters struct {
	Network string  `json:"network"`
	Device  *string `json:"device,omitempty"`
}

// put adds a parameter that is not its type's zero value.
func put[T comparable](parameters map[string]any, name string, value T) {
	var zero T
	if value != zero {
		parameters[name] = value
	}
}

func forwardingParameters(forwarding PortForwarding) map[string]any {
	parameters := map[string]any{
		"protocol": forwarding.Protocol, "externalPort": forwarding.ExternalPort,
	}
	if forwarding.Protocol == "" {
		parameters["protocol"] = TCP
	}
	put(parameters, "externalAddress", forwarding.ExternalAddress)
	put(parameters, "internalAddress", forwarding.InternalAddress)
	put(parameters, "internalPort", forwarding.InternalPort)
	put(parameters, "count", forwarding.Count)
	return parameters
}

func attachParameters(network string, options AttachOptions) map[string]any {
	parameters := map[string]any{
		"network": network, "queues": options.Queues, "vhost": options.Vhost,
		"openByName": options.OpenByName,
	}
	put(parameters, "macAddress", options.MAC)
	put(parameters, "name", options.Name)
	put(parameters, "ipv4Address", options.IPv4Address)
	put(parameters, "ipv6Address", options.IPv6Address)
	put(parameters, "rateLimitIn", options.RateLimitIn)
	put(parameters, "rateLimitOut", options.RateLimitOut)
	var forwardings []map[string]any
	for _, forwarding := range options.PortForwarding {
		forwardings = append(forwardings, forwardingParameters(forwarding))
	}
	if forwardings != nil {
		parameters["portForwarding"] = forwardings
	}
	return parameters
}

// object is one of JSON, taken apart member by member. After the first one that is
// missing, or of the wrong type, bad is set, and what is taken may be empty.
type object struct {
	members map[string]json.RawMessage
	bad     *bool
}

func newObject(text []byte) object {
	o := object{bad: new(bool)}
	o.fill(text)
	return o
}

func (o *object) fill(text []byte) {
	if json.Unmarshal(text, &o.members) != nil || o.members == nil {
		*o.bad = true
	}
}

// has tells whether the member is there, and not null.
func (o object) has(name string) bool {
	text := o.members[name]
	return text != nil && !bytes.Equal(text, []byte("null"))
}

func (o object) optional(name string, value any) {
	if o.has(name) && json.Unmarshal(o.members[name], value) != nil {
		*o.bad = true
	}
}

func (o object) required(name string, value any) {
	if !o.has(name) {
		*o.bad = true
	}
	o.optional(name, value)
}

func (o object) text(name string) (text string) {
	o.required(name, &text)
	return text
}

func (o object) optionalText(name string) (text string) {
	o.optional(name, &text)
	return text
}

func (o object) boolean(name string) (value bool) {
	o.required(name, &value)
	return value
}

// number is 0 or more.
func (o object) number(name string) (value int64) {
	o.required(name, &value)
	if value < 0 {
		*o.bad = true
	}
	return value
}

// time is zero where there is none.
func (o object) time(name string) (at time.Time) {
	if o.has(name) {
		at = time.UnixMicro(o.number(name))
	}
	return at
}

func (o object) object(name string) object {
	member := object{bad: o.bad}
	member.fill(o.members[name])
	return member
}

func optionalItem[T any](o object, name string, take func(object) T) *T {
	if !o.has(name) {
		return nil
	}
	item := take(o.object(name))
	return &item
}

func (o object) mode(name string) Mode {
	mode := Mode(o.text(name))
	switch mode {
	case Shared, Host, Bridged:
	default:
		*o.bad = true
	}
	return mode
}

// takeNetwork takes a reply to DescribeNetwork, or one that has the same.
func takeNetwork(reply object) NetworkInfo {
	o := reply.object("configuration")
	network := NetworkInfo{
		Name:         o.text("name"),
		Description:  o.optionalText("description"),
		Mode:         o.mode("mode"),
		MTU:          int(o.number("mtu")),
		RoguePackets: -1,
	}
	reply.optional("configuration", &network.Configuration)
	reply.optional("nextConfiguration", &network.NextConfiguration)
	reply.optional("removed", &network.Removed)
	network.Changed = network.Removed || network.NextConfiguration != nil
	if reply.has("state") {
		network.takeState(reply.object("state"))
	}
	return network
}

func (n *NetworkInfo) takeState(o object) {
	n.Active = true
	o.optional("ipv4Subnet", &n.IPv4Subnet)
	o.optional("ipv4Gateway", &n.IPv4Gateway)
	o.optional("ipv6Prefix", &n.IPv6Prefix)
	o.optional("ipv6Gateway", &n.IPv6Gateway)
	n.MTU = int(o.number("mtu"))
	n.Bridge = o.optionalText("bridge")
	n.Clients = int(o.number("clients"))
	n.Interfaces = int(o.number("interfaces"))
	n.Fault = o.optionalText("fault")
	if o.has("roguePackets") {
		n.RoguePackets = o.number("roguePackets")
	}
}

// takeReason gives an error's sentence and what it is about, "" where there is none.
func takeReason(parameters object) (reason, field string) {
	parameters.bad = new(bool)
	field = parameters.optionalText("parameter")
	if field == "" {
		field = parameters.optionalText("limit")
	}
	return parameters.optionalText("reason"), field
}

func takeInterface(o object) InterfaceInfo {
	nic := InterfaceInfo{
		Device:     o.text("device"),
		Name:       o.optionalText("name"),
		MAC:        o.text("macAddress"),
		MTU:        int(o.number("mtu")),
		VnetHeader: o.boolean("vnetHeader"),
		UID:        int(o.number("uid")),
		Attached:   o.time("attachedTimestamp"),
	}
	o.optional("ipv4Address", &nic.IPv4Address)
	o.optional("ipv6Address", &nic.IPv6Address)
	o.optional("portForwarding", &nic.PortForwarding)
	o.optional("rateLimitIn", &nic.RateLimitIn)
	o.optional("rateLimitOut", &nic.RateLimitOut)
	return nic
}

func takeClient(o object) Client {
	return Client{
		PID:     int(o.number("pid")),
		UID:     int(o.number("uid")),
		Command: o.text("command"),
	}
}

func takeLease(o object) Lease {
	lease := Lease{
		MAC:      o.text("macAddress"),
		Hostname: o.optionalText("hostname"),
		Expires:  o.time("expiresTimestamp"),
	}
	o.required("address", &lease.Address)
	return lease
}

func takeEvent(reply object) *Event {
	o := reply.object("event")
	event := &Event{
		Type:      EventType(o.text("type")),
		Network:   o.text("network"),
		Interface: optionalItem(o, "interface", takeInterface),
		Client:    optionalItem(o, "client", takeClient),
		Lease:     optionalItem(o, "lease", takeLease),
		Fault:     o.optionalText("fault"),
	}
	switch event.Type {
	case NetworkCreated, NetworkRemoved, NetworkFaulted, NetworkMended,
		ClientAcquired, ClientReleased, InterfaceAttached, InterfaceDetached,
		LeaseAdded, LeaseRemoved:
	default:
		event.Type = EventUnknown
	}
	return event
}

// takeFile takes a file by its index, or nil. Each can be had once.
func (o object) takeFile(index int, files []*os.File) *os.File {
	if index < 0 || index >= len(files) || files[index] == nil {
		*o.bad = true
		return nil
	}
	file := files[index]
	files[index] = nil
	return file
}

func (o object) takeFiles(name string, files []*os.File) []*os.File {
	var indexes []int
	var taken []*os.File
	o.required(name, &indexes)
	for _, index := range indexes {
		if file := o.takeFile(index, files); file != nil {
			taken = append(taken, file)
		}
	}
	return taken
}

// takeAttachment takes what it finds out of files.
func takeAttachment(o object, files []*os.File) *Interface {
	return &Interface{
		InterfaceInfo: takeInterface(o.object("interface")),
		Files:         o.takeFiles("tapFileDescriptors", files),
		VhostFiles:    o.takeFiles("vhostFileDescriptors", files),
	}
}

// takeCapture takes the file of a capture, or nil.
func takeCapture(o object, files []*os.File) *os.File {
	index := -1
	o.required("tapFileDescriptor", &index)
	return o.takeFile(index, files)
}
