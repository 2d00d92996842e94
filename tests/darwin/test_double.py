# SPDX-License-Identifier: Apache-2.0
"""The double finds the mistakes that a Mac would punish: programs/misuse.c makes them."""

import os
import subprocess

import pytest

LEAK_STATUS = 86  # double.h

ABORTS = {
    "release_null": "release: NULL",
    "release_twice": "release: a XPC object is used after its end",
    "release_borrowed": "release: a XPC object is used after its end",
    "use_after_release": "xpc_string_get_string_ptr: a XPC object is used after its end",
    "wrong_type": "xpc_string_get_string_ptr: a int64 is no string",
    "not_a_dictionary": "a int64 is no dictionary",
    "string_of_null": "xpc_string_create: NULL",
    "beyond_array": "xpc_array_get_value: 0 of 0",
    "set_beyond_array": "xpc_array_set_value: 1 of 0",
    "descriptor_of_nothing": "xpc_dictionary_set_fd: 1234 is no open descriptor",
    "no_handler": "without an event handler",
    "resume_twice": "on a connection that is not suspended",
    "release_inactive": "a connection that was never activated",
    "release_suspended": "a connection that is suspended",
    "release_too_often": "one reference too many",
    "send_before_resume": "on a connection that was not activated",
    "send_no_dictionary": "a int64 is no dictionary",
    "send_to_anonymous": "xpc_connection_send_message: on a listener",
    "retarget_active": "xpc_connection_set_target_queue: on an active connection",
    "listen_unannounced": "no launchd.plist of this process names",
    "end_no_transaction": "xpc_transaction_end: without a transaction",
    "signal_not_ignored": "signal 15 is not ignored",
    "release_inactive_source": "a source that is suspended",
    "release_running_source": "a source that is not canceled",
    "resume_source_twice": "on a source that is not suspended",
    "wait_for_oneself": "waits for itself",
    "cf_release_null": "CFRelease: NULL",
    "cf_release_of_xpc": "an object that is none of CoreFoundation's",
    "stop_twice": "vmnet_stop_interface: an interface is stopped twice",
    "cf_release_twice": "release: a vmnet network is used after its end",
}

LEAKS = {
    "leak_object": "XPC object with 1 references",
    "leak_value": "XPC object with 1 references",
    "leak_connection": "XPC connection",
    "leak_queue": "dispatch queue",
    "leak_network": "vmnet network",
    "leak_interface": "vmnet interface",
    "leak_configuration": "vmnet configuration",
}

LEGAL = ["leave_connection_open", "no_mistake"]


def make(world, mistake):
    return subprocess.run(
        [world.program("tests/darwin/misuse"), mistake],
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("mistake", ABORTS)
def test_misuse_aborts(world, mistake):
    done = make(world, mistake)
    assert done.returncode == -6, done.stderr
    assert "double: misuse: " in done.stderr
    assert ABORTS[mistake] in done.stderr


@pytest.mark.parametrize("mistake", LEAKS)
def test_leak_fails_the_process(world, mistake):
    done = make(world, mistake)
    assert done.returncode == LEAK_STATUS, done.stderr
    assert f"double: leak: {LEAKS[mistake]}" in done.stderr


@pytest.mark.parametrize("mistake", LEGAL)
def test_what_is_legal_passes(world, mistake):
    done = make(world, mistake)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_mistake_is_tried(world):
    with open(os.path.join(os.path.dirname(__file__), "programs/misuse.c"), encoding="ascii") as f:
        rows = f.read().count("ROW(") - 1
    assert rows == len(ABORTS) + len(LEAKS) + len(LEGAL)
