/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker's own is called on the host: the names of its links, and the aliases by which
 * the next broker and the administrator know whose they are:
 *
 *	bridge		vmb-NETWORK	"vmnet-broker NETWORK"
 *	interface	vmt0, vmt1 ...	"vmnet-broker NETWORK MAC UID HOST-MAC TIME"
 *	its checksums	vmc-NETWORK	(see ingress.c)
 *	its VXLAN	vmx-NETWORK	(see network/vxlan.c)
 *	the host on it	vmh-NETWORK and, as a port of the bridge, vmp-NETWORK (the same)
 *	capture		vmt-cap0 ...	"vmnet-broker-capture INDEX UID" (see capture.c)
 *	its limiter	vmtr-INDEX	(see limiter.c)
 *
 * MAC is the address of the machine's network device, INDEX that of its device on
 * the host, UID whose the interface or the capture is, and HOST-MAC the address of
 * the device itself: who has it open can change both of these, but not the alias. TIME
 * is when it was attached.
 *
 * A network that has a routing table of its own has it by a number of 24 bits
 * after ROUTING_TABLES. NETWORKS_TABLE is all networks'.
 */
#ifndef VMNET_HOST_NAMES_H
#define VMNET_HOST_NAMES_H

#include <sys/types.h>

#include "base/address.h"
#include "base/name.h"

/* What every bridge's name starts with: rules know other networks by it. */
#define BRIDGE_PREFIX "vmb-"
#define CHECKSUMS_PREFIX "vmc-"
#define VXLAN_PREFIX "vmx-"
#define OWN_PREFIX "vmh-"
#define OWN_PORT_PREFIX "vmp-"
/* Also an interface's to all who leave these alone; the kernel puts the first free number in. */
#define CAPTURE_NAME "vmt-cap%d"

/* Far from the numbers that people and their tools count up from. */
#define ROUTING_TABLES 0x76000000U

/* The one that all networks share, where the host's routes are not asked first. */
#define NETWORKS_TABLE 0x77000000U

/* Who made rules and routes of ours, as FRA_PROTOCOL and as rtm_protocol: nobody else. */
#define ROUTING_PROTOCOL 118

/*
 * What a packet has in its mark if its way out is the host's to choose: it
 * answers a connection that began somewhere else.
 */
#define UPLINK_EXEMPT_MARK 0x10000000U

/* The tables of all networks' packet filter: one of family inet, one of family bridge. */
#define FIREWALL_TABLE "vmnet-broker.networks"

/* An older broker's tables of one network are called this, and the network's name. */
#define FIREWALL_OLD_TABLE_PREFIX "vmnet-broker-"

/* The table that guards what forwarding has switched on. */
#define FIREWALL_GUARD_TABLE "vmnet-broker"

/* A network's dnsmasq is started with this, and the path of a file NETWORK and this. */
#define DNSMASQ_CONFIG_OPTION "--conf-file="
#define DNSMASQ_CONFIG_SUFFIX ".dnsmasq.conf"

#define ALIAS_SIZE                                                                     \
	(sizeof("vmnet-broker    4294967295 9223372036854775807") + NETWORK_NAME_MAX + \
	 2 * (size_t)MAC_TEXT_SIZE)

#define NETWORK_DOMAIN_SIZE (NETWORK_NAME_MAX + sizeof(".internal"))

/* Whose a link is. */
struct alias {
	char network[NETWORK_NAME_MAX + 1];
	bool is_interface; /* or the bridge */
	/* Of an interface: */
	struct mac_address mac; /* its machine's */
	bool is_whole; /* an older broker has not written what follows */
	uid_t owner;
	struct mac_address host_mac;
	int64_t attached; /* microseconds since the epoch; 0: an older broker has not written it */
};

/*
 * Tells texts of the administrator's apart, names and configurations: nobody gains by two that
 * have the same.
 */
uint64_t text_hash(const char *text);

/* A link's name has room for 15 bytes: a longer network name is hashed. */
void bridge_name(const char *network, char name[INTERFACE_NAME_SIZE]);

/* The device of a bridge's checksums. */
void checksums_name(const char *bridge, char name[INTERFACE_NAME_SIZE]);

/* Those of a network that is on several hosts: its VXLAN, and the host's own two ends. */
void vxlan_name(const char *bridge, char name[INTERFACE_NAME_SIZE]);
void own_name(const char *bridge, char name[INTERFACE_NAME_SIZE]);
void own_port_name(const char *bridge, char name[INTERFACE_NAME_SIZE]);

/*
 * What the names of its machines end in, "NETWORK.internal", in small letters, which
 * is the same name: see machine_name_write(). A network's name that is none for DNS
 * ("a..b", "a-") is one without what DNS minds: "ab.internal". Returns domain.
 */
const char *network_domain(const char *network, char domain[NETWORK_DOMAIN_SIZE]);

/* The device that limits what comes from a port, by the port's index. */
void limiter_name(int port, char name[INTERFACE_NAME_SIZE]);

/* The index of the port of the limiter with this name, or 0 when it is no such name. */
int limiter_port(const char *name);

/* The same for life: whoever comes next finds it by the network's name alone. */
uint32_t routing_table(const char *network);

/* Of an interface it has to be whole. */
void alias_format(const struct alias *alias, char text[ALIAS_SIZE]);

/* Returns 0, or -1 when the text is not such an alias. */
int alias_parse(const char *text, struct alias *alias);

/* What a device captures, and for whom. */
struct capture_alias {
	int port; /* the index of the machine's device */
	uid_t owner;
};

void capture_alias_format(const struct capture_alias *alias, char text[ALIAS_SIZE]);

/* Returns 0, or -1 when the text is not such an alias. */
int capture_alias_parse(const char *text, struct capture_alias *alias);

/* The name of one of the broker's links, or of what looks like one. */
bool is_own_link_name(const char *name);

#endif
