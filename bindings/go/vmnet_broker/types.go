// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import "time"

// Mode is how a network is connected.
type Mode string

const (
	Shared  Mode = "shared"  // to the outside, behind the host's address
	Host    Mode = "host"    // to the host and each other only
	Bridged Mode = "bridged" // to the physical network itself (Linux)
)

// NetworkInfo is what is known of a configured network. Addresses and the bridge
// are empty while it is not active.
type NetworkInfo struct {
	Name        string
	Description string // "": none
	Mode        Mode
	Active      bool   // exists in the operating system now
	IPv4Subnet  string // CIDR, "192.168.64.0/24"; "" too if it has none
	IPv4Gateway string // the host's own address on it
	IPv6Prefix  string // CIDR; "" too if it has none
	MTU         int    // bytes of payload in the largest frame
	Bridge      string // the host's device that joins the members (Linux)
	Clients     int    // connections that hold it
	Interfaces  int    // machines' interfaces on it (Linux)
	Changed     bool   // the configuration has another version of it, for its next life
}

// Client is a connection that holds a network.
type Client struct {
	PID     int
	UID     int
	Command string
}

// InterfaceInfo is one virtual machine's port on a network (Linux).
type InterfaceInfo struct {
	Name       string // the host's name of the device
	MAC        string // what the machine's own device should use
	MTU        int
	VnetHeader bool // packets carry a virtio-net header
}

// Lease is an address given to a machine (Linux).
type Lease struct {
	MAC      string
	Address  string
	Hostname string    // "": it gave none
	Expires  time.Time // zero: never
}

// Inspection is all about one network.
type Inspection struct {
	Network    NetworkInfo
	Clients    []Client
	Interfaces []InterfaceInfo
	Leases     []Lease
	Fault      string // what is wrong with it now, a sentence; "": nothing
	// RoguePackets counts frames in which a machine posed as the network's DHCP
	// server, router or gateway, which were all dropped. -1: nothing counts them.
	RoguePackets int64
}

// EventType is what has happened.
type EventType string

const (
	NetworkCreated    EventType = "network_created"
	NetworkRemoved    EventType = "network_removed"
	ClientAcquired    EventType = "client_acquired"
	ClientReleased    EventType = "client_released"
	InterfaceAttached EventType = "interface_attached"
	InterfaceDetached EventType = "interface_detached"
	LeaseAdded        EventType = "lease_added"
	LeaseRemoved      EventType = "lease_removed"
	EventUnknown      EventType = "unknown" // of a newer broker
)

// Event is what has happened, to which network.
type Event struct {
	Type      EventType
	Network   string
	Interface *InterfaceInfo // nil unless the type is about one
	Client    *Client        // the same
	Lease     *Lease         // the same
}
