/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of vmnet.framework (macOS 26.0) that the project calls, declared as
 * the system declares it, for machines without its SDK: scripts/build-macos
 * compiles against it, and so do the tests that run the macOS sources here. A
 * Mac never sees this file.
 */
#ifndef TESTS_DARWIN_VMNET_H
#define TESTS_DARWIN_VMNET_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <dispatch/dispatch.h>
#include <xpc/xpc.h>

typedef enum {
	VMNET_HOST_MODE = 1000,
	VMNET_SHARED_MODE = 1001,
	VMNET_BRIDGED_MODE = 1002,
} vmnet_mode_t;

typedef enum {
	VMNET_SUCCESS = 1000,
	VMNET_FAILURE = 1001,
	VMNET_MEM_FAILURE = 1002,
	VMNET_INVALID_ARGUMENT = 1003,
	VMNET_SETUP_INCOMPLETE = 1004,
	VMNET_INVALID_ACCESS = 1005,
	VMNET_PACKET_TOO_BIG = 1006,
	VMNET_BUFFER_EXHAUSTED = 1007,
	VMNET_TOO_MANY_PACKETS = 1008,
	VMNET_SHARING_SERVICE_BUSY = 1009,
	VMNET_NOT_AUTHORIZED = 1010,
} vmnet_return_t;

/* CoreFoundation objects: CFRelease() ends a reference. */
typedef struct vmnet_network_configuration *vmnet_network_configuration_ref;
typedef struct vmnet_network *vmnet_network_ref;

vmnet_network_configuration_ref vmnet_network_configuration_create(vmnet_mode_t mode,
								   vmnet_return_t *status);
vmnet_return_t vmnet_network_configuration_set_ipv4_subnet(vmnet_network_configuration_ref config,
							   const struct in_addr *subnet,
							   const struct in_addr *mask);
vmnet_return_t vmnet_network_configuration_set_ipv6_prefix(vmnet_network_configuration_ref config,
							   const struct in6_addr *prefix,
							   uint8_t length);
vmnet_return_t
vmnet_network_configuration_set_external_interface(vmnet_network_configuration_ref config,
						   const char *interface_name);
vmnet_return_t vmnet_network_configuration_set_mtu(vmnet_network_configuration_ref config,
						   uint32_t mtu);
vmnet_return_t
vmnet_network_configuration_add_dhcp_reservation(vmnet_network_configuration_ref config,
						 const ether_addr_t *client,
						 const struct in_addr *reservation);
vmnet_return_t vmnet_network_configuration_add_port_forwarding_rule(
	vmnet_network_configuration_ref config, uint8_t protocol, sa_family_t family,
	uint16_t internal_port, uint16_t external_port, const void *internal_address);
void vmnet_network_configuration_disable_nat44(vmnet_network_configuration_ref config);
void vmnet_network_configuration_disable_nat66(vmnet_network_configuration_ref config);
void vmnet_network_configuration_disable_dhcp(vmnet_network_configuration_ref config);
void vmnet_network_configuration_disable_dns_proxy(vmnet_network_configuration_ref config);
void vmnet_network_configuration_disable_router_advertisement(
	vmnet_network_configuration_ref config);

vmnet_network_ref vmnet_network_create(vmnet_network_configuration_ref config,
				       vmnet_return_t *status);
xpc_object_t vmnet_network_copy_serialization(vmnet_network_ref network, vmnet_return_t *status);
vmnet_network_ref vmnet_network_create_with_serialization(xpc_object_t serialization,
							  vmnet_return_t *status);
void vmnet_network_get_ipv4_subnet(vmnet_network_ref network, struct in_addr *subnet,
				   struct in_addr *mask);
void vmnet_network_get_ipv6_prefix(vmnet_network_ref network, struct in6_addr *prefix,
				   uint8_t *length);

typedef struct vmnet_interface *interface_ref;
typedef void (^vmnet_start_interface_completion_handler_t)(vmnet_return_t status,
							   xpc_object_t parameters);
typedef void (^vmnet_interface_completion_handler_t)(vmnet_return_t status);

interface_ref
vmnet_interface_start_with_network(vmnet_network_ref network, xpc_object_t interface_desc,
				   dispatch_queue_t queue,
				   vmnet_start_interface_completion_handler_t handler);
vmnet_return_t vmnet_stop_interface(interface_ref interface, dispatch_queue_t queue,
				    vmnet_interface_completion_handler_t handler);

/* Packets, and what tells of them. */
struct vmpktdesc {
	size_t vm_pkt_size;
	struct iovec *vm_pkt_iov;
	uint32_t vm_pkt_iovcnt;
	uint32_t vm_flags;
};

typedef enum {
	VMNET_INTERFACE_PACKETS_AVAILABLE = 1 << 0,
} interface_event_t;

typedef void (^vmnet_interface_event_callback_t)(interface_event_t event, xpc_object_t details);

vmnet_return_t vmnet_interface_set_event_callback(interface_ref interface, interface_event_t events,
						  dispatch_queue_t queue,
						  vmnet_interface_event_callback_t callback);
vmnet_return_t vmnet_read(interface_ref interface, struct vmpktdesc *packets, int *n_packets);
vmnet_return_t vmnet_write(interface_ref interface, struct vmpktdesc *packets, int *n_packets);

/* Keys of the parameters of a started interface. */
extern const char *const vmnet_mac_address_key; /* string */
extern const char *const vmnet_mtu_key; /* uint64 */
extern const char *const vmnet_max_packet_size_key; /* uint64 */

#endif
