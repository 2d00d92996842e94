/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of what is said over XPC, between broker/darwin/xpc.c and client/darwin/. A request
 * and its reply are dictionaries; a failure has KEY_ERROR, success has not.
 *
 *	command    takes          success has
 *	"acquire"  network_name   network, info
 *	"release"  network_name
 *	"list"                    networks
 *	"inspect"  network_name   info, clients, fault
 *	"monitor"                 and then a message per event
 *	"reload"
 *
 * "acquire" with its keys "network" and "error" is spoken by programs that
 * exist already: they stay to the letter. The others may get more keys.
 */
#ifndef VMNET_WIRE_XPC_PROTOCOL_H
#define VMNET_WIRE_XPC_PROTOCOL_H

#define SERVICE_NAME "com.github.nirs.vmnet-broker"

/* Of a request */
#define KEY_COMMAND "command" /* string */
#define KEY_NETWORK_NAME "network_name" /* string */

#define COMMAND_ACQUIRE "acquire"
#define COMMAND_RELEASE "release"
#define COMMAND_LIST "list"
#define COMMAND_INSPECT "inspect"
#define COMMAND_MONITOR "monitor"
#define COMMAND_RELOAD "reload"

/* Of every reply */
#define KEY_BROKER "broker" /* uint64: which broker answers; the one after it has another */
#define KEY_ERROR "error" /* int64: a vmnet_broker_return_t of 3 to 7 */
#define KEY_MESSAGE "message" /* string, beside the error: a sentence for people */

/* Of the replies named above */
#define KEY_NETWORK "network" /* as vmnet serialized it */
#define KEY_INFO "info" /* dictionary: a network, below */
#define KEY_NETWORKS "networks" /* array of such */
#define KEY_CLIENTS "clients" /* array of dictionaries: a client, below */
#define KEY_FAULT "fault" /* string, if there is one; in a network and an event, too */

/* Of a network; those marked (active) only while it is active */
#define KEY_NAME "name" /* string */
#define KEY_DESCRIPTION "description" /* string, if it has one */
#define KEY_MODE "mode" /* string: "shared" or "host" */
#define KEY_ACTIVE "active" /* bool */
#define KEY_IPV4_SUBNET "ipv4_subnet" /* string, CIDR (active) */
#define KEY_IPV4_GATEWAY "ipv4_gateway" /* string (active) */
#define KEY_IPV6_PREFIX "ipv6_prefix" /* string, CIDR (active) */
#define KEY_MTU "mtu" /* int64 */
#define KEY_N_CLIENTS "clients" /* int64 */
#define KEY_CHANGED "changed" /* bool */
#define KEY_REMOVED "removed" /* bool */
#define KEY_CONFIGURATION "configuration" /* string: JSON, as config/describe.h has it */
#define KEY_NEXT_CONFIGURATION "next_configuration" /* string: the same, if there is another */

/* Of a client */
#define KEY_PID "pid" /* int64 */
#define KEY_UID "uid" /* int64 */
#define KEY_PROGRAM "command" /* string */

/* Of an event, beside KEY_NETWORK_NAME */
#define KEY_EVENT "event" /* string: "network_created" and so on */
#define KEY_CLIENT "client" /* dictionary: a client, if the event is about one */

#endif
