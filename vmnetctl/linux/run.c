/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl run on Linux: attaches an interface to each network, and runs a
 * command that gets them as descriptors. vmnetctl keeps the holds for as long
 * as the command runs, and no descriptor.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "publish.h"
#include "rate.h"
#include "vmnetctl/process.h"
#include "vmnetctl/system.h"
#include "vmnetctl/template.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

#define QUEUES_MAX 16

const char run_synopsis[] = "--network NETWORK [OPTION...] [--network ...] [--] COMMAND [ARG...]";
const char run_description[] = "Run a command with an interface on each network";
const char run_help[] =
	"  --network NETWORK   attach an interface to it; may be given more than once\n"
	"  --name NAME         what the machine is called there, and nobody else\n"
	"  --ipv4 ADDRESS      its address by DHCP\n"
	"  --ipv6 ADDRESS      its address by DHCPv6\n"
	"  --mac ADDRESS       its MAC address, instead of one that is made of the name,\n"
	"                      or up\n"
	"  --publish PORTS     ports of the host that lead to it, as [ADDRESS:]8080:80[/udp];\n"
	"                      may be given more than once\n"
	"  --queues N          queues of the interface, each with a descriptor (1 to 16)\n"
	"  --vhost             open /dev/vhost-net as well, once per queue\n"
	"  --open-by-name      make a device that the command can open by its name\n"
	"  --rate-in RATE      to the machine pass no more bits per second\n"
	"  --rate-out RATE     and from it\n"
	"\n"
	"All others are about the --network before them; in front of the first one, about\n"
	"all.\n"
	"\n"
	"RATE is a number of bits, with k, M, G or T for thousands of them, as in 10M.\n"
	"RATE:BURST, as in 10M:128k, has the bytes that may pass at once after a pause.\n"
	"\n"
	"Replaced in the command's arguments, for the first network, or with :NETWORK\n"
	"before the closing brace for the one of that name:\n"
	"  {fd}        the descriptor of the TAP device\n"
	"  {fds}       those of all queues, as in 5:6:7\n"
	"  {vhostfd}   the descriptor of /dev/vhost-net\n"
	"  {vhostfds}  those for all queues\n"
	"  {ifname}    the name of the device on the host\n"
	"  {mac}       the MAC address that the machine is to use\n"
	"\n"
	"The exit status is the command's, 128 plus the number of the signal that ended\n"
	"it, 127 when it is not found, 126 when it cannot be run, or 125 when it was not\n"
	"started.\n";

struct request {
	const char *network;
	struct vmnet_broker_attach_options options;
	struct vmnet_broker_attachment *attachment; /* NULL until attached */
};

/* The command line. One request per --network. */
struct arguments {
	struct request *requests;
	size_t n_requests;
	char **command; /* ends with NULL */
};

/* Appends to what is published. Returns DONE, or WRONG_USAGE after complaining. */
static int publish(struct vmnet_broker_attach_options *options,
		   const struct vmnet_broker_port_forwarding *forwardings, size_t n)
{
	const size_t n_before = options->n_port_forwardings;
	struct vmnet_broker_port_forwarding *grown =
		reallocarray((void *)options->port_forwardings, n_before + n, sizeof(*grown));

	if (!grown) {
		complain("out of memory");
		return WRONG_USAGE;
	}
	memcpy(grown + n_before, forwardings, n * sizeof(*forwardings));
	options->port_forwardings = grown;
	options->n_port_forwardings += n;
	return DONE;
}

static int add_published(struct vmnet_broker_attach_options *options, const char *text)
{
	struct vmnet_broker_port_forwarding forwarding;

	return publish_parse(text, &forwarding) == DONE ? publish(options, &forwarding, 1)
							: WRONG_USAGE;
}

/* Returns the options of the new request, or NULL after complaining. */
static struct vmnet_broker_attach_options *
add_request(struct arguments *arguments, const char *network,
	    const struct vmnet_broker_attach_options *defaults)
{
	struct request *request = &arguments->requests[arguments->n_requests];

	for (size_t i = 0; i < arguments->n_requests; i++) {
		if (strcmp(arguments->requests[i].network, network) != 0)
			continue;
		complain("--network %s is given twice", network);
		return NULL;
	}
	*request = (struct request){ .network = network, .options = *defaults };
	request->options.port_forwardings = NULL;
	request->options.n_port_forwardings = 0;
	arguments->n_requests++;
	if (defaults->n_port_forwardings && publish(&request->options, defaults->port_forwardings,
						    defaults->n_port_forwardings) != DONE)
		return NULL;
	return &request->options;
}

/* Takes an option's value. Returns DONE, or WRONG_USAGE after complaining. */
static int take_rate(const char *option, struct vmnet_broker_rate_limit *rate)
{
	if (rate_parse(optarg, rate) == 0)
		return DONE;
	complain("%s takes bits per second such as 10M, or 10M:128k with a burst in bytes, not "
		 "\"%s\"",
		 option, optarg);
	return WRONG_USAGE;
}

/* Takes an option that is about an interface. Returns DONE, or what next_option() has said. */
static int take_option(int option, struct vmnet_broker_attach_options *options)
{
	int queues;

	switch (option) {
	case '4':
		options->ipv4_address = optarg;
		break;
	case '6':
		options->ipv6_address = optarg;
		break;
	case 'N':
		options->name = optarg;
		break;
	case 'm':
		options->mac_address = optarg;
		break;
	case 'p':
		return add_published(options, optarg);
	case 'q':
		queues = option_number("--queues", optarg, 1, QUEUES_MAX);
		if (queues < 0)
			return WRONG_USAGE;
		options->queues = (uint32_t)queues;
		break;
	case 'v':
		options->vhost = true;
		break;
	case 'd':
		options->open_by_name = true;
		break;
	case 'i':
		return take_rate("--rate-in", &options->rate_limit_in);
	case 'o':
		return take_rate("--rate-out", &options->rate_limit_out);
	default:
		return option;
	}
	return DONE;
}

/*
 * Fills arguments, whose requests have room for all. defaults: get what is in front of the first
 * network. Returns DONE, WRONG_USAGE or SHOW_HELP.
 */
static int parse(int argc, char **argv, struct arguments *arguments,
		 struct vmnet_broker_attach_options *defaults)
{
	static const struct option options[] = {
		{ "network", required_argument, NULL, 'n' },
		{ "name", required_argument, NULL, 'N' },
		{ "ipv4", required_argument, NULL, '4' },
		{ "ipv6", required_argument, NULL, '6' },
		{ "mac", required_argument, NULL, 'm' },
		{ "publish", required_argument, NULL, 'p' },
		{ "queues", required_argument, NULL, 'q' },
		{ "vhost", no_argument, NULL, 'v' },
		{ "open-by-name", no_argument, NULL, 'd' },
		{ "rate-in", required_argument, NULL, 'i' },
		{ "rate-out", required_argument, NULL, 'o' },
		{ 0 },
	};
	struct vmnet_broker_attach_options *current = defaults;
	int option, result;

	while ((option = next_option(argc, argv, OPTIONS_FIRST, options)) != -1) {
		if (option == 'n') {
			current = add_request(arguments, optarg, defaults);
			result = current ? DONE : WRONG_USAGE;
		} else {
			result = take_option(option, current);
		}
		if (result != DONE)
			return result;
	}
	if (arguments->n_requests == 0) {
		complain("--network is missing");
		return WRONG_USAGE;
	}
	arguments->command = argv + optind;
	return check_arguments(argc, 1, argc, "COMMAND");
}

static int attach(struct vmnet_broker *broker, struct request *request)
{
	vmnet_broker_return_t status = vmnet_broker_acquire(broker, request->network, NULL);

	if (status == VMNET_BROKER_SUCCESS)
		status = vmnet_broker_attach(broker, request->network, &request->options,
					     &request->attachment);
	if (status == VMNET_BROKER_SUCCESS)
		return DONE;
	(void)complain_of(broker, status);
	return FAILED;
}

static void free_command(char **command)
{
	for (char **word = command; word && *word; word++)
		free(*word);
	free(command);
}

/* The command with its words replaced, for free_command(), or NULL after complaining. */
static char **fill_in(char **command, const struct substitution *substitutions, size_t n)
{
	size_t length = 0;
	char **filled;

	while (command[length])
		length++;
	filled = calloc(length + 1, sizeof(*filled));
	if (!filled) {
		complain("out of memory");
		return NULL;
	}
	for (size_t i = 0; i < length; i++) {
		filled[i] = substitute(command[i], substitutions, n);
		if (filled[i])
			continue;
		free_command(filled);
		return NULL;
	}
	return filled;
}

static struct substitution describe(const struct request *request)
{
	const struct vmnet_broker_attachment *attachment = request->attachment;

	assert(attachment);
	return (struct substitution){
		.network = request->network,
		.ifname = attachment->interface->device,
		.mac = attachment->interface->mac_address,
		.fds = attachment->tap_fds,
		.n_fds = attachment->n_tap_fds,
		.vhost_fds = attachment->vhost_fds,
		.n_vhost_fds = attachment->n_vhost_fds,
		.vhost = request->options.vhost,
	};
}

/* Adds the request's descriptors to the n in fds. Returns how many there are now. */
static size_t collect(int *fds, size_t n, const struct vmnet_broker_attachment *attachment)
{
	for (size_t i = 0; i < attachment->n_tap_fds; i++)
		fds[n++] = attachment->tap_fds[i];
	for (size_t i = 0; i < attachment->n_vhost_fds; i++)
		fds[n++] = attachment->vhost_fds[i];
	return n;
}

/* Starts the command with what was attached. Returns the process, or -1 after complaining. */
static pid_t start(const struct arguments *arguments)
{
	size_t n_requests = arguments->n_requests, n_fds = 0;
	struct substitution *substitutions = calloc(n_requests, sizeof(*substitutions));
	int *fds = calloc(n_requests * 2 * QUEUES_MAX, sizeof(*fds));
	char **command = NULL;
	pid_t pid = -1;

	if (!substitutions || !fds) {
		complain("out of memory");
		goto out;
	}
	for (size_t i = 0; i < n_requests; i++) {
		substitutions[i] = describe(&arguments->requests[i]);
		n_fds = collect(fds, n_fds, arguments->requests[i].attachment);
	}
	command = fill_in(arguments->command, substitutions, n_requests);
	if (command)
		pid = start_command(command, fds, n_fds);
out:
	free_command(command);
	free(fds);
	free(substitutions);
	return pid;
}

/* Frees the attachments, and closes the descriptors that are vmnetctl's own. */
static void free_attachments(struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->n_requests; i++) {
		vmnet_broker_attachment_free(arguments->requests[i].attachment);
		arguments->requests[i].attachment = NULL;
	}
}

/* Returns an exit status: the command's, or one of EXIT_*. */
static int attach_and_run(struct vmnet_broker *broker, struct arguments *arguments)
{
	int result = DONE;
	struct watch watch;
	pid_t pid = -1;

	assert(arguments->n_requests > 0); /* parse() has seen to it */
	/* A machine that runs keeps its network; before that it needs a broker. */
	vmnet_broker_set_reconnect(broker, true);
	for (size_t i = 0; i < arguments->n_requests && result == DONE; i++)
		result = attach(broker, &arguments->requests[i]);
	vmnet_broker_set_reconnect(broker, false);
	if (result == DONE && watch_broker(broker, &watch) == 0)
		pid = start(arguments);
	free_attachments(arguments);
	return pid < 0 ? EXIT_OWN_FAILURE : finish_command(&watch, pid);
}

int run(int argc, char **argv)
{
	struct arguments arguments = { .requests = calloc((size_t)argc, sizeof(struct request)) };
	struct vmnet_broker_attach_options defaults = { .size = sizeof(defaults) };
	struct vmnet_broker *broker;
	int result;

	if (!arguments.requests) {
		complain("out of memory");
		return EXIT_OWN_FAILURE;
	}
	result = parse(argc, argv, &arguments, &defaults);
	if (result == DONE) {
		broker = connect_to_broker();
		result = broker ? attach_and_run(broker, &arguments) : EXIT_OWN_FAILURE;
		vmnet_broker_close(broker);
	}
	for (size_t i = 0; i < arguments.n_requests; i++)
		free((void *)arguments.requests[i].options.port_forwardings);
	free((void *)defaults.port_forwardings);
	free(arguments.requests);
	return result;
}
