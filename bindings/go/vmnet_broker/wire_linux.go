// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

// What data/com.github.nirs.vmnetbroker.varlink declares: every name of it that is
// sent or received is in this file.

import (
	"bytes"
	"encoding/json"
	"os"
	"time"
)

const (
	protocol = "com.github.nirs.vmnetbroker."
	service  = "org.varlink.service."

	methodAcquire = protocol + "Acquire"
	methodAttach  = protocol + "Attach"
	methodInspect = protocol + "Inspect"
	methodList    = protocol + "ListNetworks"
	methodMonitor = protocol + "Monitor"
	methodRelease = protocol + "Release"
	methodReload  = protocol + "Reload"
	methodInfo    = service + "GetInfo"

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
	protocol + "Internal":             ErrInternalError,
	errorInvalidParameter:             ErrInvalidRequest,
}

type networkParameters struct {
	Network string `json:"network"`
}

type attachParameters struct {
	Network string `json:"network"`
	MAC     string `json:"mac_address,omitempty"`
	Queues  int    `json:"queues"`
	Vhost   bool   `json:"vhost"`
	Named   bool   `json:"named"`
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

func (o object) object(name string) object {
	member := object{bad: o.bad}
	member.fill(o.members[name])
	return member
}

func list[T any](o object, name string, take func(object) T) []T {
	var texts []json.RawMessage
	o.required(name, &texts)
	items := make([]T, 0, len(texts))
	for _, text := range texts {
		item := object{bad: o.bad}
		item.fill(text)
		items = append(items, take(item))
	}
	return items
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

func takeNetwork(o object) NetworkInfo {
	network := NetworkInfo{
		Name:        o.text("name"),
		Description: o.optionalText("description"),
		Mode:        o.mode("mode"),
		Active:      o.boolean("active"),
		IPv4Subnet:  o.optionalText("ipv4_subnet"),
		IPv4Gateway: o.optionalText("ipv4_gateway"),
		IPv6Prefix:  o.optionalText("ipv6_prefix"),
		MTU:         int(o.number("mtu")),
		Bridge:      o.optionalText("bridge"),
		Clients:     int(o.number("clients")),
		Interfaces:  int(o.number("interfaces")),
	}
	o.optional("changed", &network.Changed)
	return network
}

func takeNetworks(o object) []NetworkInfo { return list(o, "networks", takeNetwork) }

func takeAcquired(o object) NetworkInfo { return takeNetwork(o.object("network")) }

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
	return InterfaceInfo{
		Name:       o.text("name"),
		MAC:        o.text("mac_address"),
		MTU:        int(o.number("mtu")),
		VnetHeader: o.boolean("vnet_header"),
	}
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
		MAC:      o.text("mac_address"),
		Address:  o.text("address"),
		Hostname: o.optionalText("hostname"),
	}
	if o.has("expires") {
		lease.Expires = time.Unix(o.number("expires"), 0)
	}
	return lease
}

func takeInspection(o object) *Inspection {
	inspection := &Inspection{
		Network:      takeNetwork(o.object("network")),
		Clients:      list(o, "clients", takeClient),
		Interfaces:   list(o, "interfaces", takeInterface),
		Leases:       list(o, "leases", takeLease),
		Fault:        o.optionalText("fault"),
		RoguePackets: -1,
	}
	if o.has("rogue_packets") {
		inspection.RoguePackets = o.number("rogue_packets")
	}
	return inspection
}

func takeEvent(reply object) *Event {
	o := reply.object("event")
	event := &Event{
		Type:      EventType(o.text("type")),
		Network:   o.text("network"),
		Interface: optionalItem(o, "interface", takeInterface),
		Client:    optionalItem(o, "client", takeClient),
		Lease:     optionalItem(o, "lease", takeLease),
	}
	switch event.Type {
	case NetworkCreated, NetworkRemoved, ClientAcquired, ClientReleased,
		InterfaceAttached, InterfaceDetached, LeaseAdded, LeaseRemoved:
	default:
		event.Type = EventUnknown
	}
	return event
}

// takeFiles takes files by their indexes. Each can be had once: files gets nil for it.
func (o object) takeFiles(name string, files []*os.File) []*os.File {
	var indexes []int
	var taken []*os.File
	o.required(name, &indexes)
	for _, index := range indexes {
		if index < 0 || index >= len(files) || files[index] == nil {
			*o.bad = true
			break
		}
		taken = append(taken, files[index])
		files[index] = nil
	}
	return taken
}

// takeAttachment takes what it finds out of files.
func takeAttachment(o object, files []*os.File) *Interface {
	return &Interface{
		InterfaceInfo: takeInterface(o.object("interface")),
		Files:         o.takeFiles("tap_fds", files),
		VhostFiles:    o.takeFiles("vhost_fds", files),
	}
}
