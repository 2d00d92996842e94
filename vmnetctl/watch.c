/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On a terminal what is shown takes its own place, elsewhere it is printed again below. A second
 * connection hears of events, which say no more than that it is time to look.
 */
#include "watch.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/memstream.h"
#include "json.h"
#include "screen.h"
#include "system.h"
#include "text.h"
#include "vmnetctl.h"

#define INTERVAL 2
#define INTERVAL_MAX 3600

/* Milliseconds in which one look is enough, however much happens. */
#define SOON 200

/* What the command line has said. */
static struct view choice;
static show_function *show;

static struct {
	struct vmnet_broker *broker; /* NULL: there are none */
	int descriptor;
} events = { .descriptor = -1 };

/* Events */

static void close_events(void)
{
	vmnet_broker_close(events.broker);
	events.broker = NULL;
	events.descriptor = -1;
}

/* Without them it is looked every few seconds, and tried again. */
static void open_events(void)
{
	if (events.broker)
		return;
	events.broker = vmnet_broker_connect(NULL);
	if (events.broker)
		events.descriptor = monitor_descriptor(events.broker);
	if (events.descriptor < 0)
		close_events();
}

static void take_events(void)
{
	struct vmnet_broker_event *event;
	vmnet_broker_return_t status;

	do {
		status = vmnet_broker_next_event(events.broker, 0, &event);
		if (status != VMNET_BROKER_SUCCESS) {
			close_events();
			return;
		}
		vmnet_broker_event_free(event);
	} while (event);
}

/* Screen */

static void print_lines(const char *text, size_t n)
{
	for (; *text && n > 0; n--) {
		const char *end = strchr(text, '\n');
		const size_t length = end ? (size_t)(end - text) + 1 : strlen(text);

		(void)fwrite(text, 1, length, stdout);
		text += length;
	}
}

static void print_screen(const char *text)
{
	const size_t lines = screen_begin();

	printf("Every %d s, and when something happens; q quits\n", choice.interval);
	/* A break of the last line would move all of them up. */
	print_lines(text, lines > 2 ? lines - 2 : 1);
	screen_show();
}

static int draw(struct vmnet_broker *broker, char **arguments)
{
	size_t size;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);
	int result = stream ? show(broker, arguments, &choice, stream) : FAILED;

	text = stream ? memstream_close(stream, &text) : NULL;
	if (text && result == DONE)
		print_screen(text);
	else if (result == DONE)
		result = FAILED;
	free(text);
	return result;
}

static int print_once(struct vmnet_broker *broker, char **arguments)
{
	int result = show(broker, arguments, &choice, stdout);

	return fflush(stdout) == 0 ? result : FAILED; /* main() says why */
}

static int print_next(struct vmnet_broker *broker, char **arguments)
{
	if (!choice.json)
		(void)putchar('\n');
	return print_once(broker, arguments);
}

/* Waiting */

static int pause_without_keys(int milliseconds, int descriptor)
{
	struct pollfd fd = { .fd = descriptor, .events = POLLIN };

	return poll(&fd, 1, milliseconds) > 0 ? SCREEN_EVENT : SCREEN_TIMEOUT;
}

/* Returns whether to look again. */
static bool stay(int (*pause_for)(int milliseconds, int descriptor))
{
	int key = pause_for(SOON, -1);

	if (key == SCREEN_TIMEOUT)
		key = pause_for(choice.interval * 1000, events.descriptor);
	if (key == SCREEN_EVENT)
		take_events();
	return key != 'q' && key != SCREEN_GONE;
}

static int watch_screen(struct vmnet_broker *broker, char **arguments)
{
	int result;

	screen_open();
	do {
		open_events();
		result = draw(broker, arguments);
	} while (result == DONE && stay(screen_wait));
	screen_close();
	return result;
}

static int watch_output(struct vmnet_broker *broker, char **arguments)
{
	int result = print_once(broker, arguments);

	while (result == DONE && stay(pause_without_keys)) {
		open_events();
		result = print_next(broker, arguments);
	}
	return result;
}

static int start(struct vmnet_broker *broker, char **arguments, int unused)
{
	int result;

	(void)unused;
	if (!choice.watch)
		return show(broker, arguments, &choice, stdout);
	keep_broker(broker);
	open_events();
	result = screen_is_possible() && !choice.json ? watch_screen(broker, arguments)
						      : watch_output(broker, arguments);
	close_events();
	return result;
}

static int read_option(int option)
{
	switch (option) {
	case 'j':
		choice.json = true;
		return DONE;
	case 'i':
		choice.interval = option_number("--interval", optarg, 1, INTERVAL_MAX);
		choice.watch = true;
		return choice.interval < 0 ? WRONG_USAGE : DONE;
	case 'w':
		choice.watch = true;
		return DONE;
	default:
		return option;
	}
}

int view(int argc, char **argv, int minimum, int maximum, const char *what, show_function *function)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", no_argument, NULL, 'w' },
		{ "interval", required_argument, NULL, 'i' },
		{ 0 },
	};
	int option, result = DONE;

	choice = (struct view){ .interval = INTERVAL };
	show = function;
	while (result == DONE &&
	       (option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1)
		result = read_option(option);
	if (result == DONE)
		result = check_arguments(argc, minimum, maximum, what);
	return result == DONE ? with_broker(start, argv + optind, 0) : result;
}

int view_json(const struct view *view, json_t *value, FILE *stream)
{
	return json_write(value, view->watch ? JSON_COMPACT : JSON_INDENT(2), stream);
}
