/* SPDX-License-Identifier: Apache-2.0 */
/* A block is its type and its length, what its type says, options, and its length once more. */
#include "pcapng.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SECTION 0x0a0d0d0aU
#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define INTERFACE 1U
#define ETHERNET 1U
#define STATISTICS 5U
#define PACKET 6U

/* Options; the same numbers are others' in other blocks. */
enum {
	END_OF_OPTIONS = 0,
	SECTION_HARDWARE = 2,
	SECTION_OS = 3,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_MAC = 6,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	STATISTICS_FRAMES = 4,
	STATISTICS_LOST = 5,
};

#define NANOSECONDS 9 /* the power of ten */
#define FLAGS_IN 1U
#define FLAGS_OUT 2U

#define TEXT_MAX ((size_t)256)

struct block {
	size_t size;
	uint8_t bytes[PCAPNG_FRAME_MAX + 4 * TEXT_MAX];
};

static void put(struct block *block, const void *data, size_t size)
{
	memcpy(block->bytes + block->size, data, size);
	block->size += size;
	for (; block->size % 4; block->size++)
		block->bytes[block->size] = 0;
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_u16s(struct block *block, uint16_t first, uint16_t second)
{
	put(block, (const uint16_t[]){ first, second }, 2 * sizeof(uint16_t));
}

static void put_option(struct block *block, uint16_t code, const void *value, size_t size)
{
	put_u16s(block, code, (uint16_t)size);
	put(block, value, size);
}

/* What is longer is cut. */
static void put_text(struct block *block, uint16_t code, const char *text)
{
	put_option(block, code, text, strnlen(text, TEXT_MAX));
}

static void put_time(struct block *block, const struct timespec *time)
{
	const uint64_t value =
		(uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec;

	put_u32(block, (uint32_t)(value >> 32));
	put_u32(block, (uint32_t)value);
}

static void begin(struct block *block, uint32_t type)
{
	block->size = 0;
	put_u32(block, type);
	put_u32(block, 0);
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

static int finish(struct block *block, int fd)
{
	uint32_t size;

	put_u16s(block, END_OF_OPTIONS, 0);
	size = (uint32_t)block->size + sizeof(size);
	put_u32(block, size);
	memcpy(block->bytes + sizeof(uint32_t), &size, sizeof(size));
	return write_all(fd, block->bytes, block->size);
}

static int write_section(struct block *block, int fd)
{
	const int64_t unknown_length = -1;
	char os[sizeof(struct utsname)];
	struct utsname host;

	begin(block, SECTION);
	put_u32(block, BYTE_ORDER_MAGIC);
	put_u16s(block, 1, 0);
	put(block, &unknown_length, sizeof(unknown_length));
	if (uname(&host) == 0) {
		(void)snprintf(os, sizeof(os), "%s %s", host.sysname, host.release);
		put_text(block, SECTION_HARDWARE, host.machine);
		put_text(block, SECTION_OS, os);
	}
	put_text(block, SECTION_APPLICATION, "vmnetctl " VMNET_BROKER_VERSION);
	return finish(block, fd);
}

int pcapng_begin(int fd, const struct pcapng_interface *interface)
{
	const uint8_t resolution = NANOSECONDS;
	struct block block;

	if (write_section(&block, fd) < 0)
		return -1;
	begin(&block, INTERFACE);
	put_u16s(&block, ETHERNET, 0);
	put_u32(&block, 0); /* no frame is cut */
	put_text(&block, INTERFACE_NAME, interface->name);
	put_text(&block, INTERFACE_DESCRIPTION, interface->description);
	put_option(&block, INTERFACE_MAC, &interface->mac, sizeof(interface->mac));
	put_option(&block, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	return finish(&block, fd);
}

int pcapng_frame(int fd, const struct timespec *time, bool sent, const void *frame, size_t length)
{
	const uint32_t flags = sent ? FLAGS_OUT : FLAGS_IN;
	struct block block;

	begin(&block, PACKET);
	put_u32(&block, 0); /* the first interface */
	put_time(&block, time);
	put_u32(&block, (uint32_t)length);
	put_u32(&block, (uint32_t)length);
	put(&block, frame, length);
	put_option(&block, PACKET_FLAGS, &flags, sizeof(flags));
	return finish(&block, fd);
}

int pcapng_end(int fd, const struct timespec *time, uint64_t frames, uint64_t lost)
{
	struct block block;

	begin(&block, STATISTICS);
	put_u32(&block, 0);
	put_time(&block, time);
	put_option(&block, STATISTICS_FRAMES, &frames, sizeof(frames));
	put_option(&block, STATISTICS_LOST, &lost, sizeof(lost));
	return finish(&block, fd);
}
