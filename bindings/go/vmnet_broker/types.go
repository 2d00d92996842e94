// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import (
	"net/netip"
	"time"
)

// Mode is how a network is connected.
type Mode string

const (
	Shared  Mode = "shared"  // to the outside, behind the host's address
	Host    Mode = "host"    // to the host and each other only
	Bridged Mode = "bridged" // to the physical network itself (Linux)
)

// NetworkInfo is what is known of a configured network. Addresses and the bridge
// are their zero values while it is not active, or where it has none.
type NetworkInfo struct {
	Name        string
	Description string // "": none
	Mode        Mode
	Active      bool // exists in the operating system now
	IPv4Subnet  netip.Prefix
	IPv4Gateway netip.Addr // the host's own address on it
	IPv6Prefix  netip.Prefix
	IPv6Gateway netip.Addr // the host's own address on it (Linux)
	MTU         int        // bytes of payload in the largest frame
	Bridge      string     // the host's device that joins the members (Linux)
	Clients     int        // connections that hold it
	Interfaces  int        // machines' interfaces on it (Linux)
	Changed     bool       // the file has another version of it, for its next life, or none
	Removed     bool       // the file has none
	Fault       string     // what is wrong with it now, a sentence; "": nothing
	// RoguePackets counts frames in which a machine posed as the network's DHCP
	// server, router or gateway, which were all dropped. -1: nothing counts them, as
	// in lists.
	RoguePackets int64
	// Configuration is what it was made with, or will be: with defaults. nil: the
	// broker is an older one (macOS).
	Configuration *NetworkConfiguration
	// NextConfiguration is what the file has by now; nil: the same, or none.
	NextConfiguration *NetworkConfiguration
}

// NetworkConfiguration is a network as it is configured: the keys of networks.json.
type NetworkConfiguration struct {
	Name                string            `json:"name"`
	Aliases             []string          `json:"aliases"`
	Description         string            `json:"description"`
	Mode                Mode              `json:"mode"`
	Subnet              netip.Prefix      `json:"subnet"`            // zero: the broker chooses
	IPv6Prefix          netip.Prefix      `json:"ipv6Prefix"`        // the same
	ExternalInterface   string            `json:"externalInterface"` // "": by the host's routes
	MTU                 int               `json:"mtu"`               // 0: what fits into the way to Vxlan's hosts
	NAT44               bool              `json:"nat44"`
	NAT66               bool              `json:"nat66"`
	DHCP                bool              `json:"dhcp"`
	DNSProxy            bool              `json:"dnsProxy"`
	RouterAdvertisement bool              `json:"routerAdvertisement"`
	Vxlan               *Vxlan            `json:"vxlan"` // nil: it is on this host alone
	DHCPReservations    []DHCPReservation `json:"dhcpReservations"`
	PortForwarding      []PortForwarding  `json:"portForwarding"`
	// AllowPortForwarding is which others machines may be attached with.
	AllowPortForwarding AllowPortForwarding `json:"allowPortForwarding"`
	RateLimitIn         RateLimit           `json:"rateLimitIn"`  // of machines that ask for none
	RateLimitOut        RateLimit           `json:"rateLimitOut"` // the same
	Isolated            bool                `json:"isolated"`
	LinkLocal           bool                `json:"linkLocal"`
	BypassKillSwitch    bool                `json:"bypassKillSwitch"`
	Allow               *Allow              `json:"allow"` // nil: everyone
	MaxInterfaces       int                 `json:"maxInterfaces"`
}

// Vxlan is what joins the hosts that a network is on (Linux).
type Vxlan struct {
	VNI     int         `json:"vni"`
	Control string      `json:"control"` // who tells of other hosts' machines: "evpn" or "static"
	Port    int         `json:"port"`
	Hosts   []VxlanHost `json:"hosts"`
}

// VxlanHost is one of the hosts that a network is on.
type VxlanHost struct {
	Name    string       `json:"name"`
	Address netip.Addr   `json:"address"` // at which the others reach it
	Pool    netip.Prefix `json:"pool"`    // what it gives to its machines
}

// DHCPReservation is an address that one machine has for good.
type DHCPReservation struct {
	MAC      string     `json:"macAddress"`
	Address  netip.Addr `json:"address"`
	Hostname string     `json:"hostname"` // "": none
}

// AllowPortForwarding is which ports may be forwarded at the wish of whoever attaches a
// machine and is not root.
type AllowPortForwarding struct {
	Addresses string `json:"addresses"` // of the host: "any", "loopback" or "none"
	FromPort  int    `json:"fromPort"`  // the lowest one
}

// Allow is who may acquire a network, by names or numbers.
type Allow struct {
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
}

// Protocol is one whose ports are forwarded.
type Protocol string

const (
	TCP       Protocol = "tcp"
	UDP       Protocol = "udp"
	TCPAndUDP Protocol = "both"
)

// PortForwarding is ports of the host that lead to a machine (Linux).
type PortForwarding struct {
	Protocol        Protocol   `json:"protocol"`        // "": TCP
	ExternalAddress netip.Addr `json:"externalAddress"` // of the host; zero: all of its, "::": of IPv6
	ExternalPort    uint16     `json:"externalPort"`    // the first one
	// InternalAddress is the machine's. Zero: what its interface has, of the external
	// address's family, or IPv4.
	InternalAddress netip.Addr `json:"internalAddress"`
	InternalPort    uint16     `json:"internalPort"` // the first one; 0: ExternalPort
	Count           uint16     `json:"count"`        // how many in a row; 0: 1
}

// RateLimit is how much may pass in the long run (Linux).
type RateLimit struct {
	BitsPerSecond uint64 `json:"bitsPerSecond"`        // 0: no limit
	BurstBytes    uint32 `json:"burstBytes,omitempty"` // at once before; 0: the broker chooses
}

// Client is a connection that holds a network.
type Client struct {
	PID     int
	UID     int
	Command string
}

// InterfaceInfo is one virtual machine's port on a network (Linux). What it was not
// asked for is the zero value.
type InterfaceInfo struct {
	Device         string     // the host's name of it
	Name           string     // what the machine is called there
	MAC            string     // what the machine's own device should use
	IPv4Address    netip.Addr // given to it by DHCP, and to nobody else
	IPv6Address    netip.Addr // the same
	PortForwarding []PortForwarding
	RateLimitIn    RateLimit // to the machine
	RateLimitOut   RateLimit // from the machine
	MTU            int
	VnetHeader     bool // packets carry a virtio-net header
	UID            int  // who attached it
	Attached       time.Time
}

// Lease is an address given to a machine (Linux).
type Lease struct {
	MAC      string
	Address  netip.Addr
	Hostname string    // "": it gave none
	Expires  time.Time // zero: never
}

// Inspection is all about one network.
type Inspection struct {
	Network    NetworkInfo
	Clients    []Client
	Interfaces []InterfaceInfo
	Leases     []Lease
}

// EventType is what has happened.
type EventType string

const (
	NetworkCreated    EventType = "network_created"
	NetworkRemoved    EventType = "network_removed"
	NetworkFaulted    EventType = "network_faulted"
	NetworkMended     EventType = "network_mended"
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
	Fault     string         // of NetworkFaulted: all that is wrong, a sentence
}
