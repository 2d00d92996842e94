# SPDX-License-Identifier: Apache-2.0
"""Nobody can make others wait: bench/fairness prints what is compared here."""

import pytest

from support.rivals import CONFIG, RIVALS, compare, divided, watched

ROUNDS = 20
MOST = 2  # times the median of an acquire beside an idle user
MOST_TOLD = 8  # the same of one that thousands are told of, of whom one has a turn in between
LEAST_DONE = 5  # of what the busy user does: it has to have been busy


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
@pytest.mark.parametrize("work", RIVALS, ids=lambda work: work.__name__)
def test_an_acquire_beside_a_busy_user(broker, work):
    with divided(broker):
        idle, busy, done = compare(broker, work, ROUNDS)
    assert done >= LEAST_DONE
    assert busy < MOST * idle
    broker.wait_until_clean(timeout=120)


@pytest.mark.timed
@pytest.mark.broker(config=CONFIG)
def test_an_acquire_that_thousands_are_told_of(broker):
    with divided(broker):
        alone, told, events = watched(broker, 2)
    assert events > LEAST_DONE
    assert told < MOST_TOLD * alone
    broker.wait_until_clean(timeout=120)
