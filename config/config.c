/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as a whole: its file, its syntax, its networks, and the rules between
 * them. What is in one network is network.c's.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_text.h"
#include "reader.h"

#define FILE_MAX ((size_t)1024 * 1024)

/* What data/networks.json has, too. */
static const char default_networks[] =
	"{ \"default\": { \"description\": \"Machines behind the host's address\","
	"                 \"mode\": \"shared\", \"aliases\": [\"shared\"] },"
	"  \"host\": { \"description\": \"Machines and the host, and nobody else\","
	"              \"mode\": \"host\" } }";

/*
 * What jansson refuses in a text whose structure is right, in words for people.
 *
 * first: the first character of the name or value.
 */
static const char *explain(const json_error_t *error, char first)
{
	switch (json_error_code(error)) {
	case json_error_invalid_utf8:
		return "this is not valid UTF-8";
	case json_error_stack_overflow:
		return "this is nested too deeply";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "there is a \\u0000 in this";
	case json_error_numeric_overflow:
		return "this number is too large";
	default:
		return first == '"' ? "there is a \\ in this that JSON does not know"
				    : "this is no number that JSON knows";
	}
}

/* Parses the text, and finds the places of its values. Returns its value or NULL with an error. */
static json_t *parse_json(const char *text, size_t length, struct places *places,
			  struct config_errors *errors)
{
	struct places_error wrong;
	json_error_t error;
	json_t *root;
	char first;
	int r = places_scan(text, length, places, &wrong);

	if (r == -ENOMEM)
		config_errors_memory_short(errors);
	else if (r < 0)
		config_errors_add(errors, wrong.line, wrong.column, "%s", wrong.message);
	if (r < 0)
		return NULL;

	root = json_text_load(text, length, JSON_DECODE_ANY, &error);
	if (root)
		return root;
	if (errno == ENOMEM) {
		config_errors_memory_short(errors);
		return NULL;
	}
	/* jansson points behind what it does not like. */
	wrong.line = (uint32_t)error.line;
	wrong.column = (uint32_t)error.column;
	first = places_snap(places, &wrong.line, &wrong.column);
	config_errors_add(errors, wrong.line, wrong.column, "%s", explain(&error, first));
	return NULL;
}

/* Checks a network's name, which is the key at place, and claims it. */
static void check_name(struct config_reader *reader, const struct place *place)
{
	char what[sizeof("the name \"\" (in another case)") + NETWORK_NAME_MAX];
	char folded[NETWORK_NAME_MAX + 1];
	size_t i = 0;

	if (!network_name_is_valid(place->key)) {
		config_report_key(reader, place,
				  "must have a name of 1 to 63 of a-z A-Z 0-9 . _ -, "
				  "the first a letter or digit");
		return;
	}
	config_claim_name(reader, place, place->key);

	/* A network's name is part of names of files and of DNS. */
	for (; place->key[i]; i++)
		folded[i] = (char)tolower((unsigned char)place->key[i]);
	folded[i] = '\0';
	(void)snprintf(what, sizeof(what), "the name \"%s\" (in another case)", folded);
	config_claim(reader, place, NULL, what);
}

/* The place of a key in an object, or NULL. */
static const struct place *find_member(const struct places *places, const struct place *object,
				       const char *key)
{
	const struct place *found = NULL;

	for (const struct place *at = places_first(places, object); at;
	     at = places_next(places, at)) {
		if (strcmp(at->key, key) == 0)
			found = at;
	}
	return found;
}

/* Reports the last of networks if its subnet overlaps that of one before. */
static void check_overlap(struct config_reader *reader, const struct place *place,
			  struct network_config *const *networks, size_t n)
{
	const struct ipv4_subnet *subnet = &networks[n - 1]->subnet;
	char other[IPV4_SUBNET_TEXT_SIZE];
	char own[IPV4_SUBNET_TEXT_SIZE];

	if (!subnet->length)
		return;
	for (size_t i = 0; i < n - 1; i++) {
		if (!networks[i]->subnet.length ||
		    !ipv4_subnet_overlaps(subnet, &networks[i]->subnet))
			continue;
		config_report(reader, find_member(&reader->places, place, "subnet"),
			      "%s overlaps %s of network \"%s\"; choose another",
			      ipv4_subnet_format(subnet, own),
			      ipv4_subnet_format(&networks[i]->subnet, other), networks[i]->name);
		return;
	}
}

/*
 * Finds which of several networks of one name jansson kept: the last.
 * Reports the others. Returns each name's index among the places, or NULL.
 */
static json_t *last_of_each_name(struct config_reader *reader, const struct place *root)
{
	const struct places *places = &reader->places;
	json_t *last = json_object();

	if (!last)
		return NULL;
	for (const struct place *at = places_first(places, root); at;
	     at = places_next(places, at)) {
		const json_t *before = json_object_get(last, at->key);

		if (before)
			config_report_key(reader, at, "is there already, in line %u; remove one",
					  places->items[json_integer_value(before)].key_line);
		if (json_object_set_new(last, at->key, json_integer(at - places->items)) < 0) {
			json_decref(last);
			return NULL;
		}
	}
	return last;
}

/* Reads the networks in the order of the file. Returns 0, or -1 when memory is short. */
static int read_networks(struct config_reader *reader, const json_t *value, struct config *config)
{
	const struct place *root = reader->places.items;
	json_t *last = last_of_each_name(reader, root);

	config->networks = calloc(json_object_size(value) + 1, sizeof(*config->networks));
	if (!last || !config->networks) {
		json_decref(last);
		return -1;
	}
	for (const struct place *at = places_first(&reader->places, root); at;
	     at = places_next(&reader->places, at)) {
		struct network_config *network;

		if (json_integer_value(json_object_get(last, at->key)) != at - root)
			continue;
		check_name(reader, at);
		network = config_read_network(reader, at, json_object_get(value, at->key));
		if (!network) {
			json_decref(last);
			return -1;
		}
		config->networks[config->n_networks++] = network;
		check_overlap(reader, at, config->networks, config->n_networks);
	}
	json_decref(last);
	return 0;
}

static int compare_names(const void *left, const void *right)
{
	struct network_config *const *a = left;
	struct network_config *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

/* Makes a configuration of JSON whose places are known. Mistakes are in the reader's errors. */
static struct config *read_config(struct config_reader *reader, const json_t *value)
{
	struct config *config = calloc(1, sizeof(*config));

	reader->claims = json_object();
	if (!config || !reader->claims || read_networks(reader, value, config) < 0)
		config_errors_memory_short(reader->errors);
	json_decref(reader->claims);
	free(reader->ports);
	if (!config || reader->errors->n_items) {
		config_free(config);
		return NULL;
	}
	qsort(config->networks, config->n_networks, sizeof(struct network_config *), compare_names);
	return config;
}

/* lenient: users and groups that do not exist are nobody. */
static struct config *parse(const char *text, size_t length, bool lenient,
			    struct config_errors *errors)
{
	struct config_reader reader = { .errors = errors, .lenient = lenient };
	struct config *config = NULL;
	json_t *root;

	root = parse_json(text, length, &reader.places, errors);
	if (root && !json_is_object(root))
		config_errors_add(errors, reader.places.items->line, reader.places.items->column,
				  "the file must be an object of networks, such as "
				  "{ \"default\": { \"mode\": \"shared\" } }");
	else if (root)
		config = read_config(&reader, root);
	json_decref(root);
	places_clear(&reader.places);
	if (config)
		return config;

	config_errors_sort(errors);
	errors->text = malloc(length + 1);
	if (errors->text) {
		memcpy(errors->text, text, length);
		errors->text_length = length;
	}
	return NULL;
}

struct config *config_parse(const char *text, size_t length, struct config_errors *errors)
{
	*errors = (struct config_errors){ 0 };
	if (length > FILE_MAX) {
		config_errors_add(errors, 0, 0, "the file is larger than 1 MiB");
		return NULL;
	}
	return parse(text, length, false, errors);
}

struct network_config *network_config_parse(const char *name, const char *json)
{
	struct config_errors errors = { 0 };
	struct network_config *network = NULL;
	struct config *config;
	char *text;

	errno = 0;
	if (!network_name_is_valid(name) || asprintf(&text, "{\"%s\":%s}", name, json) < 0)
		return NULL;
	config = parse(text, strlen(text), true, &errors);
	free(text);
	errno = config_errors_are_of_memory(&errors) ? ENOMEM : 0;
	config_errors_clear(&errors);
	if (config && config->n_networks == 1)
		network = network_config_ref(config->networks[0]);
	config_free(config);
	return network;
}

/* Refuses what is no plain file, too large, or not the administrator's alone. */
static int check_file(int fd, bool trusted, struct config_errors *errors)
{
	struct stat status;

	if (fstat(fd, &status) < 0) {
		config_errors_add(errors, 0, 0, "cannot be read: %s", strerror(errno));
		return -1;
	}
	if (!S_ISREG(status.st_mode))
		config_errors_add(errors, 0, 0, "is not a regular file");
	else if (trusted && status.st_uid != 0)
		config_errors_add(errors, 0, 0, "is not owned by root; chown it to root");
	else if (trusted && (status.st_mode & (S_IWGRP | S_IWOTH)))
		config_errors_add(errors, 0, 0,
				  "can be written by others than root; chmod it to 0644");
	else if ((uintmax_t)status.st_size > FILE_MAX)
		config_errors_add(errors, 0, 0, "the file is larger than 1 MiB");
	return errors->n_items ? -1 : 0;
}

struct config *config_load(const char *path, bool trusted, struct config_errors *errors)
{
	struct config *config = NULL;
	char *text = NULL;
	size_t length;
	int fd;

	*errors = (struct config_errors){ 0 };
	/* Not blocking: the path may name a FIFO. What it names is checked once it is open. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return config_parse(default_networks, sizeof(default_networks) - 1, errors);
	if (fd < 0) {
		config_errors_add(errors, 0, 0, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	if (check_file(fd, trusted, errors) < 0)
		goto out;
	text = file_read_open(fd, FILE_MAX + 1, &length);
	if (text)
		config = config_parse(text, length, errors);
	else if (errno == ENOMEM)
		config_errors_memory_short(errors);
	else
		config_errors_add(errors, 0, 0, "cannot be read: %s", strerror(errno));
out:
	free(text);
	(void)close(fd);
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_networks; i++)
		network_config_unref(config->networks[i]);
	free(config->networks);
	free(config->fault);
	free(config);
}

struct network_config *config_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_networks; i++) {
		if (network_config_has_name(config->networks[i], name))
			return config->networks[i];
	}
	return NULL;
}

struct network_config *config_find_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_networks; i++)
		if (strcmp(config->networks[i]->name, name) == 0)
			return config->networks[i];
	return NULL;
}
