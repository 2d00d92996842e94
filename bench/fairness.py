# SPDX-License-Identifier: Apache-2.0
"""What a user's acquire of an active network takes while another user keeps the broker busy.

Beside an idle one: with a processor for the broker alone, and with all processors for everybody.
"""

import contextlib

from support.broker import Broker
from support.host import Host
from support.rivals import CONFIG, RIVALS, compare, divided


def measure(options, results, directory):
    with contextlib.ExitStack() as stack:
        host = Host(directory, options.build)
        stack.callback(host.close)
        broker = Broker(host, CONFIG)
        stack.callback(broker.close_clients)
        broker.start()
        for place, division in (
            ("the broker has a processor to itself", divided),
            ("all share all processors", contextlib.nullcontext),
        ):
            for work in RIVALS:
                with division(broker):
                    idle, busy, _ = compare(broker, work, options.rounds or 20)
                measure_ = f"acquire beside another user, {place}: {work.__name__}"
                results.add(measure_, "µs", "idle", idle)
                results.add(measure_, "µs", "busy", busy)
                broker.wait_until_clean(timeout=120)
        broker.stop()
