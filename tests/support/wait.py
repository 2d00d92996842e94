# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, and never for a time."""

import time

INTERVAL = 0.01


def random_moment(generator, longest):
    """Lets a random time of up to longest seconds pass: what comes next may happen at any point."""
    time.sleep(generator.uniform(0, longest))


def wait_for(predicate, timeout=30, what=None):
    """Returns what predicate() returns once it is true; fails when it is not in time.

    what: what was waited for, for the message; a text, or a function that makes one.
    """
    deadline = time.monotonic() + timeout
    while True:
        started = time.monotonic()
        value = predicate()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            text = what() if callable(what) else what or getattr(predicate, "__name__", "")
            raise AssertionError(f"not within {timeout} s: {text}")
        # What looks for long leaves others their time.
        time.sleep(max(INTERVAL, 3 * (now - started)))
