/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's commands. */
#include "cni.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/linux/firewall/firewall.h"
#include "host/link.h"

#define NEWEST_VERSION "1.1.0"

int fail(const struct call *call, int code, const char *remedy, const char *format, ...)
{
	char message[1024];
	va_list arguments;
	json_t *error;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error = json_pack("{s:s, s:i, s:s, s:s}", "cniVersion", call->version, "code", code, "msg",
			  message, "details", remedy);
	(void)json_dumpf(error, stdout, 0);
	(void)fflush(stdout);
	json_decref(error);
	return EXIT_FAILURE;
}

int fail_by_broker(const struct call *call, const struct vmnet_broker *broker,
		   vmnet_broker_return_t status)
{
	const char *reason = broker ? vmnet_broker_error(broker) : strerror(errno);

	if (status == VMNET_BROKER_XPC_FAILURE)
		return fail(call, CNI_TRY_AGAIN_LATER,
			    "start it with \"systemctl start vmnet-broker.socket\"",
			    "no broker at %s for network %s: %s", vmnet_broker_address(),
			    call->network, reason);
	if (status == VMNET_BROKER_NOT_FOUND || status == VMNET_BROKER_INVALID_REQUEST)
		return fail(call, CNI_INVALID_CONFIGURATION,
			    "it is what the configuration has as \"network\"", "%s", reason);
	return fail(call, CNI_FAILED, "\"vmnetctl doctor\" looks for causes", "network %s: %s",
		    call->network, *reason ? reason : vmnet_broker_strerror(status));
}

/* The host's end of the container's device is what is neither the bridge nor in a container. */
static const char *find_port(const json_t *result, const char *bridge)
{
	size_t i;
	json_t *interface;

	json_array_foreach(json_object_get(result, "interfaces"), i, interface) {
		const char *name = json_string_value(json_object_get(interface, "name"));
		const char *sandbox = json_string_value(json_object_get(interface, "sandbox"));

		if (name && strcmp(name, bridge) != 0 && (!sandbox || !*sandbox))
			return name;
	}
	return NULL;
}

/* From here on the rules for what machines may send are the container's, too. */
static int keep_rules(const struct call *call, const struct held *held, const char *output)
{
	json_t *result = json_loads(output, 0, NULL);
	const char *port = find_port(result, held->bridge);
	unsigned int bridge = (unsigned int)link_index(held->bridge);
	int error = port && bridge ? link_set_group(link_index(port), firewall_port_group(bridge))
				   : -ENODEV;

	json_decref(result);
	if (error == 0)
		return 0;
	return fail(call, CNI_FAILED, "\"vmnetctl doctor\" looks for causes",
		    "cannot put container %s under the rules of network %s: %s", call->container,
		    call->network, strerror(-error));
}

static int print(char *output, int status)
{
	if (output)
		(void)fputs(output, stdout);
	free(output);
	return status;
}

static int add(const struct call *call)
{
	struct held held;
	char *output, *removed;

	if (holder_start(call, &held) != 0)
		return EXIT_FAILURE;
	if (delegate(call, "ADD", &held, &output) == 0) {
		if (keep_rules(call, &held, output) == 0)
			return print(output, 0);
		free(output);
		output = NULL;
	}
	(void)delegate(call, "DEL", &held, &removed);
	free(removed);
	holder_end(call->record);
	return print(output, EXIT_FAILURE);
}

static int del(const struct call *call)
{
	char *output;
	int status = delegate(call, "DEL", NULL, &output);

	holder_end(call->record);
	return print(output, status);
}

static int check(const struct call *call)
{
	struct held held;
	char *output;
	int status;

	if (!holder_lives(call, &held))
		return fail(call, CNI_FAILED, "start the container again",
			    "nobody holds network %s for container %s", call->network,
			    call->container);
	status = delegate(call, "CHECK", &held, &output);
	return print(output, status);
}

static int report_status(const struct call *call)
{
	struct vmnet_broker_inspection *inspection = NULL;
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);
	char *output = NULL;
	int result;

	if (broker)
		status = vmnet_broker_inspect(broker, call->network, &inspection);
	if (status == VMNET_BROKER_SUCCESS)
		result = delegate(call, "STATUS", NULL, &output);
	else
		result = fail_by_broker(call, broker, status);
	vmnet_broker_inspection_free(inspection);
	vmnet_broker_close(broker);
	return print(output, result);
}

/* record: of this configuration. */
static bool is_valid(const struct call *call, const char *record)
{
	const json_t *valid = json_object_get(call->config, "cni.dev/valid-attachments");
	char attachment[sizeof(call->record)];
	size_t i;
	json_t *item;

	json_array_foreach(valid, i, item) {
		const char *container = json_string_value(json_object_get(item, "containerID"));
		const char *interface = json_string_value(json_object_get(item, "ifname"));

		(void)snprintf(attachment, sizeof(attachment), "%s:%s:%s", call->name,
			       container ? container : "", interface ? interface : "");
		if (strcmp(attachment, record) == 0)
			return true;
	}
	return false;
}

static int collect_garbage(const struct call *call)
{
	const size_t length = strlen(call->name);
	DIR *records = opendir(RECORDS);
	const struct dirent *entry;
	char path[sizeof(call->record)];
	char *output;
	int result;

	while (records && (entry = readdir(records))) {
		if (strncmp(entry->d_name, call->name, length) != 0 ||
		    entry->d_name[length] != ':' || is_valid(call, entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), RECORDS "/%s", entry->d_name);
		holder_end(path);
	}
	if (records)
		(void)closedir(records);
	result = delegate(call, "GC", NULL, &output);
	return print(output, result);
}

static int print_versions(const struct call *call)
{
	json_t *versions = json_pack("{s:s, s:[s, s, s]}", "cniVersion", call->version,
				     "supportedVersions", "0.4.0", "1.0.0", NEWEST_VERSION);

	(void)json_dumpf(versions, stdout, 0);
	json_decref(versions);
	return 0;
}

/* What a command is about, and so what has to be given. */
enum about {
	NOTHING,
	NETWORK,
	CONTAINER,
};

static const struct command {
	const char *name;
	int (*run)(const struct call *call);
	enum about about;
} commands[] = {
	{ "ADD", add, CONTAINER },	    { "DEL", del, CONTAINER },
	{ "CHECK", check, CONTAINER },	    { "STATUS", report_status, NETWORK },
	{ "GC", collect_garbage, NETWORK }, { "VERSION", print_versions, NOTHING },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* As the specification has it of containers and configurations: fit for a file's name. */
static bool is_identifier(const char *name)
{
	return name && *name && name[strspn(name, ALNUM "._-")] == '\0' && !strchr("._-", *name);
}

static int name_record(struct call *call)
{
	int length = -1;

	if (is_identifier(call->container) && call->interface && *call->interface &&
	    !strpbrk(call->interface, "/: \t\n"))
		length = snprintf(call->record, sizeof(call->record), RECORDS "/%s:%s:%s",
				  call->name, call->container, call->interface);
	if (length > 0 && length < (int)sizeof(call->record))
		return 0;
	return fail(call, CNI_INVALID_ENVIRONMENT, "",
		    "CNI_CONTAINERID and CNI_IFNAME are to be names, and not longer than a file's");
}

static int serve(struct call *call, const struct command *command)
{
	if (!command)
		return fail(call, CNI_INVALID_ENVIRONMENT, "it is called by runtimes of containers",
			    "CNI_COMMAND is none that is known");
	if (command->about == NOTHING)
		return command->run(call);
	if (!call->config)
		return fail(call, CNI_NOT_DECODED, "", "the configuration is not in JSON");
	if (!is_identifier(call->name) || !call->network)
		return fail(call, CNI_INVALID_CONFIGURATION,
			    "\"vmnetctl networks\" lists the networks",
			    "the configuration needs a \"name\" and a \"network\"");
	if (!delegate_find(call, getenv("CNI_PATH")) ||
	    (command->about == CONTAINER && name_record(call) != 0))
		return EXIT_FAILURE;
	return command->run(call);
}

int main(void)
{
	json_t *config = json_loadf(stdin, 0, NULL);
	const char *version = json_string_value(json_object_get(config, "cniVersion"));
	struct call call = {
		.version = version ? version : NEWEST_VERSION,
		.config = config,
		.name = json_string_value(json_object_get(config, "name")),
		.network = json_string_value(json_object_get(config, "network")),
		.container = getenv("CNI_CONTAINERID"),
		.interface = getenv("CNI_IFNAME"),
	};
	int result = serve(&call, find_command(getenv("CNI_COMMAND")));

	json_decref(config);
	return result;
}
