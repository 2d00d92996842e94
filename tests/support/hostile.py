# SPDX-License-Identifier: Apache-2.0
"""What the tests of clients that mean no good have in common."""

import contextlib

USER, ENEMY = 12345, 666

# The sanitizers would keep freed memory for a while.
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:"
    "quarantine_size_mb=1:malloc_context_size=2"
}
CONFIG = {"lab": {"mode": "host"}, "other": {"mode": "host"}}
MEBIBYTE = 1024 * 1024
GET_INFO = b'{"method":"org.varlink.service.GetInfo"}\0'
# Of hundreds that come: the broker itself opens a few for a network while tests count.
OWN_DESCRIPTORS = 10


def try_to_send(client, data, **options):
    """What the broker does not want, it need not take to the end."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.send_raw(data, **options)
