# SPDX-License-Identifier: Apache-2.0
"""What programs of others do with the library on macOS: the examples, and a client of before.

examples/vm.m is Objective-C: it runs on a double of Virtualization (virtualization/).
"""

import pathlib
import signal
import subprocess

import pytest
from clients import TIMEOUT
from support.broker import SANITIZER_REPORT
from support.wait import wait_for
from world import USER_UID

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[1]
INCLUDES = [
    HERE / "virtualization",
    HERE / "sdk/objc",
    HERE / "double/include",
    HERE / "sdk/include",
    SOURCE / "include",
]
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]


def objc_headers():
    """Where gcc has those of its runtime."""
    done = subprocess.run(
        ["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def compile_for(build, output, *arguments):
    """Compiles and links a program with the library and the double of a build."""
    includes = [f"-isystem{path}" for path in [*INCLUDES, objc_headers()]]
    subprocess.run(
        ["clang", "-D__APPLE__", "-U__linux__", "-D_GNU_SOURCE", "-fblocks", "-g", *WARNINGS]
        + ["-fsanitize=address,undefined", *includes, *map(str, arguments)]
        + [f"{build}/client/libvmnet-broker.a", f"-L{build}/tests/darwin/double", "-ldouble"]
        + [f"-Wl,-rpath,{build}/tests/darwin/double", "-lBlocksRuntime"]
        + ["-o", str(output)],
        check=True,
    )
    return str(output)


class Machine:
    """vm.m, and what it says."""

    def __init__(self, world, program, directory, network="shared"):
        self._output = pathlib.Path(directory) / "vm.output"
        self._errors = pathlib.Path(directory) / "vm.errors"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [program, network, "vmlinuz", "initrd", "console=hvc0"],
                # It exits as it stands, and the runtime of Objective-C leaves its own behind.
                env={**world.environment, "ASAN_OPTIONS": "detect_leaks=0"},
                user=USER_UID,
                group=USER_UID,
                extra_groups=[],
                stdout=output,
                stderr=errors,
            )

    def output(self):
        return self._output.read_text(encoding="utf-8")

    def errors(self):
        return self._errors.read_text(encoding="utf-8")

    def wait_for_interface(self, count=1):
        """Waits until it has had an interface so many times."""
        wait_for(
            lambda: self.output().count("interface on ") >= count, what=self.errors, timeout=TIMEOUT
        )

    def wait_for_error(self, text, count=1):
        wait_for(lambda: self.errors().count(text) >= count, what=self.errors, timeout=TIMEOUT)

    def lose_network(self):
        self.process.send_signal(signal.SIGUSR1)

    def close(self):
        self.process.kill()
        self.process.wait()
        assert not SANITIZER_REPORT.search(self.errors()), self.errors()
        assert "double:" not in self.errors(), self.errors()


@pytest.fixture
def vm(world, directory):
    program = compile_for(
        world.build,
        f"{directory}/vm",
        "-fobjc-runtime=gcc",
        # The double has what vm.m asks for, and not the rest of each class.
        "-Wno-objc-property-implementation",
        SOURCE / "examples/vm.m",
        HERE / "virtualization/virtualization.m",
        "-lobjc",
    )
    machines = []

    def start(**options):
        machines.append(Machine(world, program, directory, **options))
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()


def is_held_by(world, machine):
    reply = world.wire().call(command="inspect", network_name="shared")
    return [client["pid"] for client in reply["clients"]] == [machine.process.pid]


def test_a_machine_has_its_network(mac, vm):
    machine = vm()
    machine.wait_for_interface()
    assert machine.output() == "MAC address 52:54:00:12:34:56\ninterface on 192.168.64.0\n"
    assert is_held_by(mac, machine)
    machine.close()
    mac.wait_for_networks(0)


def test_a_machine_gets_its_network_back_from_the_next_broker(mac, vm):
    machine = vm()
    machine.wait_for_interface()
    mac.launchd.kill()
    mac.wait_for_networks(0)
    machine.lose_network()
    machine.wait_for_error('network "shared": the machine has lost it: the network has failed\n')
    machine.wait_for_interface(2)
    machine.wait_for_error('network "shared": the machine is on it again\n')
    assert is_held_by(mac, machine)
    assert machine.process.poll() is None


def test_a_machine_waits_for_a_broker_that_has_the_network(mac, vm):
    machine = vm()
    machine.wait_for_interface()
    mac.launchd.kill()
    mac.refuse("network_create")
    machine.lose_network()
    # The loss, and two refusals.
    machine.wait_for_error('network "shared": ', count=3)
    mac.refuse("network_create", None)
    machine.wait_for_interface(2)
    machine.wait_for_error("the machine is on it again")


def test_a_network_that_is_lost_again_and_again_is_given_up(mac, vm):
    machine = vm()
    machine.wait_for_interface()
    for loss in range(5):
        machine.lose_network()
        machine.wait_for_interface(loss + 2)
    machine.lose_network()
    machine.wait_for_error('network "shared": lost too often; the machine runs on without it\n')
    assert machine.errors().count("the machine is on it again") == 5
    assert machine.process.poll() is None


def test_a_machine_without_a_network(mac, vm):
    machine = vm(network="lab")
    assert machine.process.wait(timeout=TIMEOUT) == 1
    assert machine.errors().startswith('no network "lab" is configured')


def test_a_client_of_the_one_call_compiles_and_works_as_it_is(world, directory):
    source = HERE / "programs/one_call.c"
    program = compile_for(world.build, f"{directory}/one_call", "-std=c17", "-Wpedantic", source)
    done = world.run(program, check=False)
    assert done.stdout.startswith("(1) the broker cannot be reached, or has ended the connection")
    world.bootstrap()
    assert world.run(program).stdout == "acquired\n"
    assert world.run(program, "lab", check=False).stdout.startswith("(5) no such network is")
