# SPDX-License-Identifier: Apache-2.0
"""Fixtures for pytest: a test gets a network, and where there is no broker it is skipped.

    def test_guest(vmnet_broker_network):
        with vmnet_broker_network.attach() as interface:
            ...

The network is that of --vmnet-broker-network, or of vmnet_broker_network in pytest's
configuration, or "default".
"""

from __future__ import annotations

from typing import Iterator

import pytest

import vmnet_broker

NETWORK = "vmnet_broker_network"


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "the network of the fixture vmnet_broker_network"
    parser.addini(NETWORK, help_text, default="default")
    parser.addoption("--vmnet-broker-network", dest=NETWORK, metavar="NAME", help=help_text)


@pytest.fixture
def vmnet_broker_connection() -> Iterator[vmnet_broker.Broker]:
    """A connection to the broker, which ends with the test."""
    try:
        broker = vmnet_broker.Broker()
    except vmnet_broker.ConnectionFailed as error:
        pytest.skip(f"no broker: {error}")
    with broker:
        yield broker


@pytest.fixture
def vmnet_broker_network(
    vmnet_broker_connection: vmnet_broker.Broker, request: pytest.FixtureRequest
) -> Iterator[vmnet_broker.Network]:
    """A network, which is held until the test's end."""
    name = request.config.getoption(NETWORK) or request.config.getini(NETWORK)
    with vmnet_broker_connection.acquire(str(name)) as network:
        yield network
