# SPDX-License-Identifier: Apache-2.0
"""launchd's double ends and starts a job as launchd was measured to (versions not said).

The job is programs/job.c, which does what a client says; nothing of the broker's is in it.
"""

import os
import plistlib
import time

import pytest
from launchd_double import PLIST
from support.wait import wait_for

ASKED = "job: asked to end"


@pytest.fixture
def job(world):
    """A client of the job's, to say what it does."""
    world.program_of_broker = "tests/darwin/job"
    world.bootstrap()
    return world.wire()


def do(client, what):
    return client.call(do=what)


def serve(client):
    """A message may still go to a job that was killed just now."""
    wait_for(lambda: do(client, "nothing") != "INTERRUPTED", what="a job that serves")


def test_a_job_is_started_by_its_first_message(world, job):
    """The plist's MachServices; then the same process serves."""
    assert world.launchd.process is None
    first = do(job, "nothing")["pid"]
    assert do(world.wire(), "nothing")["pid"] == first


def test_a_job_without_a_transaction_is_killed_at_once(world, job):
    """With EnableTransactions it is not even asked."""
    do(job, "begin")
    do(job, "end")
    process = world.broker
    world.launchd.bootout()
    assert dict(world.launchd.statuses)[process.pid] == -9
    assert ASKED not in world.log()


def test_a_job_with_a_transaction_is_asked(world, job):
    """SIGTERM, and it may take its time."""
    do(job, "begin")
    process = world.broker
    world.launchd.bootout()
    assert dict(world.launchd.statuses)[process.pid] == 0
    assert ASKED in world.log()


def test_a_job_that_stays_is_killed(world, job):
    """ExitTimeOut after SIGTERM."""
    do(job, "begin")
    do(job, "stay")
    process = world.broker
    world.launchd.exit_timeout = 0.3
    before = time.monotonic()
    world.launchd.bootout()
    assert time.monotonic() - before >= 0.3
    assert dict(world.launchd.statuses)[process.pid] == -9
    assert ASKED in world.log()


def plist_with(directory, **keys):
    with open(PLIST, "rb") as file:
        plist = plistlib.load(file)
    plist.pop("ExitTimeOut", None)
    path = os.path.join(directory, "job.plist")
    with open(path, "wb") as file:
        plistlib.dump({**plist, **keys}, file)
    return path


@pytest.mark.parametrize("keys, seconds", [({}, 5), ({"ExitTimeOut": 17}, 17)])
def test_the_time_to_exit(world, directory, keys, seconds):
    """5 s, unless the plist says otherwise."""
    world.plist = plist_with(directory, **keys)
    world.bootstrap()
    assert world.launchd.exit_timeout == seconds


def test_a_job_without_transactions_is_asked(world, directory):
    """Without EnableTransactions in its plist, transactions do not count."""
    world.plist = plist_with(directory, EnableTransactions=False)
    world.program_of_broker = "tests/darwin/job"
    world.bootstrap()
    do(world.wire(), "nothing")
    world.launchd.bootout()
    assert ASKED in world.log()


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_a_job_that_ran_for_a_moment_is_started_10_s_later(world, job, end):
    """... after its start; a message waits for it. Seconds are shorter here."""
    launchd = world.launchd
    for _ in range(3):
        serve(job)
        if end == "exit":
            assert do(job, "exit") == "INTERRUPTED"
        else:
            launchd.kill()
    serve(job)
    waits = [later - earlier for earlier, later in zip(launchd.starts, launchd.starts[1:])]
    assert len(waits) == 3
    assert min(waits) >= launchd.RUN_TIME * launchd.SECOND


def test_after_bootout_nobody_is_there(world, job):
    """Messages wait for nothing."""
    do(job, "nothing")
    world.launchd.bootout()
    assert world.wire().call(do="nothing") == "INVALID"
