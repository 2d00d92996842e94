# SPDX-License-Identifier: Apache-2.0
"""Clients that speak nonsense, or Varlink that nobody expects: nobody else notices."""

import json
import os

import pytest

from support.hostile import CONFIG, ENEMY, ENVIRONMENT, GET_INFO, MEBIBYTE, try_to_send
from support.varlink import VarlinkError

pytestmark = pytest.mark.broker(config=CONFIG, env=ENVIRONMENT)


def deep(levels):
    return b'{"method":"a.b","parameters":{"a":' + b"[" * levels + b"]" * levels + b"}}\0"


@pytest.mark.parametrize(
    "message",
    [
        b"\0",
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n\0",
        b"\x16\x03\x01\x02\x00\x01\0",
        b"{\0",
        b"[]\0",
        b'"Acquire"\0',
        b"{}\0",
        b'{"method":null}\0',
        b'{"method":"a.b","parameters":"lab"}\0',
        b'{"method":"a.b","more":"yes"}\0',
        b'{"method":"a.b","oneway":true,"more":true}\0',
        b'{"method":"a.b","method":"a.b"}\0',
        b'{"method":"a.b","credentials":{"uid":0}}\0',
        b'{"method":"a.b"}{"method":"a.b"}\0',
        b'{"met\0hod":"a.b"}\0',
        b'{"method":"\\u0000"}\0',
        b'{"method":"\\ud800"}\0',
        b'{"method":"\xc3\x28"}\0',
        deep(10000),
        b'{"method":"' + b"x" * 65536 + b'"}\0',
        b"x" * MEBIBYTE,
    ],
    ids=lambda message: repr(message[:24]),
)
def test_what_is_no_varlink(broker, witness, message):
    enemy = broker.client(uid=ENEMY)
    try_to_send(enemy, message)
    with pytest.raises((EOFError, ConnectionResetError)):
        enemy.receive_message()
    broker.wait_for_log(r"\(pid \d+, uid 666\) is disconnected: ")


def test_calls_that_stay_within_varlink(broker, witness):
    """Deep, long, strange: each is answered with an error, and the connection goes on."""
    enemy = broker.client(uid=ENEMY)
    for message in (
        deep(1000),
        b'{"method":"' + b"x" * 60000 + b'"}\0',
        b'{"method":"com.github.nirs.vmnetbroker.Acquire","parameters":{"network":"'
        + b"x" * 60000
        + b'"}}\0',
        b'{"method":"com.github.nirs.vmnetbroker.Acquire","parameters":{"network":"\\u202e"}}\0',
    ):
        enemy.send_raw(message)
        with pytest.raises(VarlinkError):
            enemy.receive()
    assert "lab" in enemy.networks()


def test_byte_by_byte(broker, witness):
    enemy = broker.client(uid=ENEMY)
    for byte in GET_INFO:
        enemy.send_raw(bytes([byte]))
    assert "product" in enemy.receive()


def test_a_flood_that_is_read_is_answered_whole_and_in_order(broker, witness):
    client = broker.client(uid=ENEMY)
    n = 3000
    calls = b"".join(
        json.dumps({"method": f"org.example{i}.Call"}).encode() + b"\0" for i in range(n)
    )
    pid = os.fork()
    if pid == 0:
        client.socket.sendall(calls)
        os._exit(0)
    for i in range(n):
        message, _ = client.receive_message()
        assert message["parameters"] == {"interface": f"org.example{i}"}
    assert os.waitpid(pid, 0)[1] == 0
