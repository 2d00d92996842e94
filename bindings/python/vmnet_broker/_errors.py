# SPDX-License-Identifier: Apache-2.0
"""What a call may raise: a class for each status of libvmnet-broker."""

from __future__ import annotations

from typing import ClassVar, Optional


class BrokerError(Exception):
    """A call has failed. As a text it is a sentence for people."""

    status: ClassVar[int]  # the number that libvmnet-broker has for this kind
    sentence: ClassVar[str]

    def __init__(
        self, message: str, network: Optional[str] = None, name: str = "", field: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.network = network  # None: the call was about none
        # The protocol's, "com.github.nirs.vmnetbroker.NetworkNotFound"; "": the broker said nothing
        self.name = name
        self.field = field  # the parameter that was refused, or the limit that was reached; or ""

    @classmethod
    def plain(cls, network: Optional[str] = None) -> BrokerError:
        """One of which nothing is known but its kind."""
        return cls(about(network, cls.sentence), network)


class ConnectionFailed(BrokerError):
    """The broker could not be reached, or has ended the connection."""

    status = 1
    sentence = "the broker cannot be reached, or has ended the connection"


class InvalidReply(BrokerError):
    """The broker answered what is not understood."""

    status = 2
    sentence = "the broker's reply is not understood; it may be of another version"


class NotAllowed(BrokerError):
    """This user may not."""

    status = 3
    sentence = "this user is not allowed to do that"


class InvalidRequest(BrokerError):
    """A parameter is wrong, or the network is not held."""

    status = 4
    sentence = "the request is not valid"


class NotFound(BrokerError):
    """No network of this name is configured."""

    status = 5
    sentence = "no such network is configured"


class CreateFailure(BrokerError):
    """The system refuses the network or the interface, or networks.json has errors."""

    status = 6
    sentence = "the network or interface cannot be created"


class InternalError(BrokerError):
    """The broker has failed, or a limit was reached."""

    status = 7
    sentence = "out of memory, or a limit was reached"


class Ended(BrokerError):
    """Somebody has ended a network that was held, and with it the connection."""

    status = 8
    sentence = "somebody has ended a network that was held"


def about(network: Optional[str], sentence: str) -> str:
    """The sentence, which names the network if there is one."""
    if network is None or f'"{network}"' in sentence:
        return sentence
    return f'network "{network}": {sentence}'
