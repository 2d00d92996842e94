# SPDX-License-Identifier: Apache-2.0
"""How long a broker's loop is blocked, by a module in it that looks at clocks (bench/loop.c)."""

import os
import struct

BLOCKED = "the loop blocked, longest"
WITH_OTHERS = "the same with what others had of the processors"
NUMBERS = struct.Struct("QQQ")  # struct blocked of loop.c


class Watch:
    """Of one broker, which has to be started with this before it."""

    def __init__(self, host):
        self._path = os.path.join(host.directory, "blocked")
        with open(self._path, "wb") as file:
            file.write(bytes(NUMBERS.size))
        self.prefix = [
            "env",
            f"LD_PRELOAD={host.program('bench/loop.so')}",
            f"BENCH_LOOP={self._path}",
            "ASAN_OPTIONS=verify_asan_link_order=0",  # where the build has that
        ]

    def record(self, results, what):
        """The longest since the last time."""
        with open(self._path, "r+b") as file:
            times, longest, with_others = NUMBERS.unpack(file.read())
            file.seek(0)
            file.write(bytes(NUMBERS.size))
        assert times, "the broker's loop did nothing"
        results.add(BLOCKED, "ms", what, longest / 1e6)
        results.add(WITH_OTHERS, "ms", what, with_others / 1e6)
