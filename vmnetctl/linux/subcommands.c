/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the subcommands that only Linux has. */
#include "subcommands.h"

const struct subcommand system_subcommands[] = {
	{ "top", top, "[NETWORK] [OPTION...]",
	  "Show what networks and machines send and receive, as it changes",
	  "  --sort COLUMN       network, machine, device, in, out, packets-in or packets-out;\n"
	  "                      at first the busiest receiver is on top\n"
	  "  --interval SECONDS  look that often, instead of every 2\n"
	  "  --json              print JSON, for scripts: an object on a line for each look\n"
	  "  -n COUNT            end after so many tables\n"
	  "\n"
	  "On a terminal the letters in the head sort, once more the other way round, and q\n"
	  "quits. Elsewhere tables are printed one after another.\n" },
	{ "metrics", metrics, "[NETWORK]",
	  "Print what programs that watch hosts read: counters, as OpenMetrics text", "" },
	{ "cleanup", cleanup, "[OPTION...]",
	  "Remove what a broker has left on the host, when none can be started any more",
	  "  --dry-run          only show what would be removed\n"
	  "  --force            also what machines use, which lose their network\n"
	  "  --runtime-dir DIR  where the broker had its records (default /run/vmnet-broker)\n" },
	{ "capture", capture, "NETWORK MACHINE [--count N]",
	  "Write what a machine sends and gets as pcapng, for Wireshark or tcpdump",
	  "  --count N  end after so many frames\n" },
	{ "end", end, "NETWORK [MACHINE] [OPTION...]",
	  "End a machine, or all of a network, in order",
	  "  --timeout SECONDS  wait that long for machines that are asked to end, instead\n"
	  "                     of 10, before their devices are taken away\n"
	  "  --yes              do not ask whether it is meant\n" },
	{ 0 },
};
