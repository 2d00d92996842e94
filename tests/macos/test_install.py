# SPDX-License-Identifier: Apache-2.0
"""scripts/install-macos and scripts/uninstall-macos, on a Mac that only they believe in."""

import os
import plistlib
import re
import stat
import time

import pytest
from support.launchd import MINIMUM_SECONDS
from support.mac import BROKER, FOLDER, LABEL, LOG, PLIST, SOURCE, VERSION, dist, make_build
from support.wait import wait_for

CONFIGURATION = "private/etc/vmnet-broker/networks.json"
STATE = "private/var/db/vmnet-broker"
LOGS = "Library/Logs/vmnet-broker"
LOG_FILE = f"{LOGS}/vmnet-broker.log"
ROTATION = "private/etc/newsyslog.d/vmnet-broker.conf"

# What "vmnetctl networks --json" and "vmnetctl inspect lab --json" print.
NETWORKS = """{
  "networks": [
    {
      "configuration": {
        "name": "lab",
        "description": "Where \\"name\\": \\"x\\" is no name"
      },
      "state": {
        "clients": 2
      }
    }
  ]
}
"""
LAB = """{
  "configuration": {
    "name": "lab"
  },
  "state": {
    "clients": 2
  },
  "clients": [
    {
      "pid": 4711,
      "uid": 501,
      "command": "vfkit"
    },
    {
      "pid": 4712,
      "uid": 502,
      "command": "vmnet-helper"
    }
  ],
  "interfaces": []
}
"""


def use(mac):
    """Somebody uses the installed broker."""
    mac.restart_broker(held=True)
    mac.pretend("networks.json", NETWORKS)
    mac.pretend("inspect-lab.json", LAB)


def owner_and_mode(path):
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_install(mac, shell):
    done = mac.install(shell=shell)
    assert done.returncode == 0, done.stderr
    assert "# a broker\n" in (mac.root / FOLDER / "vmnet-broker").read_text()
    for path, mode in {
        FOLDER: 0o755,
        f"{FOLDER}/vmnet-broker": 0o755,
        f"{FOLDER}/bin": 0o755,
        f"{FOLDER}/bin/vmnetctl": 0o755,
        PLIST: 0o644,
        "private/etc/vmnet-broker": 0o755,
        CONFIGURATION: 0o644,
        ROTATION: 0o644,
    }.items():
        assert owner_and_mode(mac.root / path) == (0, 0, mode), path
    # 400 is a user's, 399 a group's.
    assert owner_and_mode(mac.root / STATE) == (398, 398, 0o700)
    assert owner_and_mode(mac.root / LOGS) == (398, 398, 0o755)
    paths = mac.root / "private/etc/paths.d/vmnet-broker"
    assert paths.read_text() == f"/{FOLDER}/bin\n"
    assert mac.calls("launchctl")[-1] == f"launchctl bootstrap system /{PLIST}"
    assert mac.loaded
    assert f"install /{FOLDER}" in (mac.root / LOG).read_text()
    assert not list((mac.root / "Library/Application Support").glob("vmnet-broker.*"))


def test_service_user(mac):
    assert mac.install().returncode == 0
    user = mac.root / "stand-ins/dscl/Users/_vmnetbroker"
    assert {file.name: file.read_text().strip() for file in user.iterdir()} == {
        "UniqueID": "398",
        "PrimaryGroupID": "398",
        "RealName": "vmnet-broker",
        "NFSHomeDirectory": "/var/empty",
        "UserShell": "/usr/bin/false",
        "Password": "*",
        "IsHidden": "1",
    }
    group = mac.root / "stand-ins/dscl/Groups/_vmnetbroker"
    assert (group / "PrimaryGroupID").read_text() == "398\n"


def test_no_user_number_is_free(mac):
    for number in range(200, 401):
        mac.pretend(f"dscl/Users/user{number}/UniqueID", f"{number}\n")
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert "no user number from 200 to 400 is free" in done.stderr
    assert mac.files() == before


def test_download(mac):
    (mac.root / mac.tarball()[1:]).rename(mac.root / "stand-ins/download")
    with open(mac.root / "tmp/install-macos", encoding="utf-8") as script:
        done = mac.run("sh", stdin=script)
    assert done.returncode == 0, done.stderr
    (call,) = mac.calls("curl")
    assert "--proto =https" in call
    assert call.endswith(f"/v{VERSION}/vmnet-broker-{VERSION}-macos.tar.gz")


def test_the_line_of_the_readme(mac):
    """It downloads the installer, shows it, and runs it."""
    readme = (SOURCE / "README.md").read_text()
    (line,) = re.findall(r"^    (curl .*install-macos)$", readme, re.MULTILINE)
    (mac.root / mac.tarball()[1:]).rename(mac.root / "stand-ins/download")
    (mac.root / "home").mkdir()
    done = mac.run("sh", "-c", f"cd /home && {line}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith((mac.root / "tmp/install-macos").read_text())
    assert " is installed; " in done.stdout


def test_half_a_script_does_nothing(mac):
    script = (mac.root / "tmp/install-macos").read_text()
    before = mac.files()
    for length in range(0, len(script) - len('main "$@" </dev/null\n'), 997):
        mac.run("sh", input=script[:length])
    assert mac.files() == before
    assert not mac.pretends("calls")


def test_install_again(mac):
    assert mac.install().returncode == 0
    before = mac.files()
    mac.forget_calls()
    done = mac.install()
    assert done.returncode == 0, done.stderr
    assert mac.files() == before
    assert not [call for call in mac.calls("dscl") if "-create" in call]
    bootout = mac.calls("launchctl").index(f"launchctl bootout system/{LABEL}")
    bootstrap = mac.calls("launchctl").index(f"launchctl bootstrap system /{PLIST}")
    assert bootout < bootstrap


def test_upgrade(mac, tmp_path):
    assert mac.install().returncode == 0
    (mac.root / CONFIGURATION).write_text('{"lab": {"mode": "host"}}')
    kept = mac.root / STATE / "lab.json"
    kept.write_text("{}")
    next_release = dist(tmp_path / "dist", make_build(tmp_path / "build", "the next broker"))
    for file in next_release.iterdir():
        (mac.root / "tmp" / file.name).write_bytes(file.read_bytes())
    done = mac.install()
    assert done.returncode == 0, done.stderr
    assert "# the next broker\n" in (mac.root / FOLDER / "vmnet-broker").read_text()
    assert "host" in (mac.root / CONFIGURATION).read_text()
    assert kept.exists()


def test_client_that_comes_meanwhile(mac):
    """The broker is asked once, and not pressed as with --force."""
    assert mac.install().returncode == 0
    mac.restart_broker(held=True)  # and vmnetctl knows of nobody yet
    before, broker = mac.files(), mac.broker
    done = mac.install()
    assert done.returncode == 1
    assert f"the broker (pid {broker.pid}) was asked to end, and still runs" in done.stderr
    assert "taken until then" in done.stderr
    assert mac.files() == before
    assert mac.broker is broker and mac.loaded
    asked = [call for call in mac.calls("launchctl") if " kill " in call]
    assert asked == [f"launchctl kill SIGTERM system/{LABEL}"]


def test_broker_that_does_not_end(mac):
    """vmnet hangs: neither an upgrade nor a removal is worth a kill."""
    assert mac.install().returncode == 0
    mac.stop_broker()
    mac.pretend("hangs")
    mac.restart_broker(held=True)
    before, broker = mac.files(), mac.broker
    for done in (mac.install("--force", mac.tarball()), mac.uninstall("--force")):
        assert done.returncode == 1
        assert "restart this Mac" in done.stderr
        assert mac.files() == before
        assert mac.broker is broker and mac.loaded


def test_client_that_asks_again_at_once(mac):
    """launchd starts another broker for it, before the service is gone."""
    assert mac.install().returncode == 0
    mac.restart_broker(held=True)
    job = mac.launchd.jobs[LABEL]
    enough = job.started + MINIMUM_SECONDS
    wait_for(lambda: time.monotonic() > enough, what="launchd to start another one at once")
    job.wanted = True
    ended = len(mac.launchd.statuses)
    done = mac.uninstall("--force")
    assert done.returncode == 0, done.stderr
    assert not mac.loaded
    assert len(mac.launchd.statuses) == ended + 2


def test_log_is_rotated(mac):
    """What the service writes to, for its user, whom nobody signals for it, and uncompressed."""
    assert mac.install().returncode == 0
    service = plistlib.loads((mac.root / PLIST).read_bytes())
    lines = (mac.root / ROTATION).read_text().splitlines()
    (line,) = [line.split() for line in lines if not line.startswith("#")]
    path, owner, mode, count, size, when, flags = line
    assert path == service["StandardErrorPath"]
    assert owner == f"{service['UserName']}:{service['GroupName']}"
    assert (mode, when, flags) == ("644", "*", "N")
    assert int(count) > 0 and int(size) > 0


def previous(mac):
    """Another program with this label is installed: no tool, state in its folder, logs of root's.

    Its user is in no group of its own. It runs, for somebody.
    """
    folder = mac.root / FOLDER
    folder.mkdir()
    (folder / "vmnet-broker").write_text(BROKER.format("the program before"))
    (folder / "vmnet-broker").chmod(0o755)
    (folder / "state.db").write_text("its networks")
    service = plistlib.loads((SOURCE / f"data/{LABEL}.plist").read_bytes())
    del service["StandardErrorPath"], service["EnableTransactions"]
    service |= {"GroupName": "_www", "RunAtLoad": True}
    (mac.root / PLIST).write_bytes(plistlib.dumps(service))
    (mac.root / LOGS).mkdir()
    (mac.root / LOGS / "broker.log").write_text("what it did")
    mac.pretend("dscl/Users/_vmnetbroker/UniqueID", "321\n")
    mac.pretend("dscl/Users/_vmnetbroker/PrimaryGroupID", "399\n")
    assert mac.run("ask-launchd", "bootstrap", "system", f"/{PLIST}").returncode == 0
    mac.restart_broker()


def test_upgrade_of_the_program_before(mac):
    previous(mac)
    before, broker = mac.files(), mac.broker
    done = mac.install()
    assert done.returncode == 1
    assert "a broker of another kind runs" in done.stderr
    assert mac.files() == before and mac.broker is broker
    done = mac.install("--force", mac.tarball())
    assert done.returncode == 0, done.stderr
    assert mac.broker and mac.broker is not broker
    service = plistlib.loads((mac.root / PLIST).read_bytes())
    assert mac.launchd.jobs[LABEL].plist == service
    assert service["GroupName"] == "_vmnetbroker"
    assert "# a broker\n" in (mac.root / FOLDER / "vmnet-broker").read_text()
    # Its user goes on, and has a group now; what was nobody's but root's is not its log folder.
    assert owner_and_mode(mac.root / STATE) == (321, 398, 0o700)
    assert owner_and_mode(mac.root / LOGS) == (321, 398, 0o755)
    left = [path for path in mac.files() if path.endswith(("state.db", "broker.log"))]
    assert left == [LOG_FILE]
    done = mac.uninstall("--purge")
    assert done.returncode == 0, done.stderr
    assert not [path for path in mac.files() if "vmnet" in path]


def test_upgrade_of_the_program_before_fails(mac):
    """At its last step: what was there is there again, and loaded."""
    previous(mac)
    before = mac.files()
    mac.pretend("silent")
    done = mac.install("--force", mac.tarball())
    assert done.returncode == 1
    assert "the broker does not answer" in done.stderr
    assert mac.files() == before
    assert mac.launchd.jobs[LABEL].plist["GroupName"] == "_www"
    mac.restart_broker()


def test_launchd_takes_its_time(mac):
    """As long as the service may, which a client has had started once more: its ExitTimeOut."""
    assert mac.install().returncode == 0
    service = plistlib.loads((mac.root / PLIST).read_bytes())
    mac.pretend("slow", str(service["ExitTimeOut"] + 5))
    done = mac.install()
    assert done.returncode == 0, done.stderr
    assert mac.calls("sleep")


def test_in_use(mac):
    assert mac.install().returncode == 0
    use(mac)
    before = mac.files()
    for done in (mac.install(), mac.uninstall()):
        assert done.returncode == 1
        assert "vfkit (pid 4711) uses lab\nvmnet-helper (pid 4712) uses lab\n" in done.stderr
        assert "--force" in done.stderr
    assert mac.files() == before
    assert not [call for call in mac.calls("launchctl") if "bootout" in call]


def test_running_and_not_in_use(mac):
    assert mac.install().returncode == 0
    mac.restart_broker()
    assert mac.install().returncode == 0


def test_running_and_silent(mac):
    assert mac.install().returncode == 0
    mac.restart_broker()
    mac.pretend("silent")
    done = mac.install()
    assert done.returncode == 1
    assert "does not say who uses it" in done.stderr


def test_force(mac):
    assert mac.install().returncode == 0
    use(mac)
    holder = mac.broker.pid
    mac.stop_pretending("held")  # the next broker finds nobody
    done = mac.install("--force", mac.tarball())
    assert done.returncode == 0, done.stderr
    assert mac.broker.pid != holder
    use(mac)
    done = mac.uninstall("--force")
    assert done.returncode == 0, done.stderr
    assert not (mac.root / FOLDER).exists()
    assert not mac.loaded


@pytest.mark.parametrize(
    "folder",
    [
        "Library",
        "Library/Application Support",
        "Library/LaunchDaemons",
        "private/etc",
        "private/var/db",
    ],
)
@pytest.mark.parametrize("owner, mode", [(501, 0o755), (0, 0o775), (0, 0o757), (0, 0o1777)])
def test_folder_in_others_hands(mac, folder, owner, mode):
    path = mac.root / folder
    os.chown(path, owner, 80)
    os.chmod(path, mode)
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert f"others than root can write /{folder}; run: sudo chown" in done.stderr
    assert mac.files() == before


def test_folder_with_an_access_control_list(mac):
    mac.pretend("access", " 0: user:eve allow add_file,delete_child\n")
    done = mac.install()
    assert done.returncode == 1
    assert "others than root can write /" in done.stderr
    assert "run: sudo chmod -N" in done.stderr


def test_folder_that_nobody_may_delete(mac):
    """Apple's own folders are like that."""
    mac.pretend("access", " 0: group:everyone deny delete\n")
    assert mac.install().returncode == 0


def test_log_folder_of_the_admin_group(mac):
    """Apple's own may be writable by administrators; what is in it is never run."""
    os.chown(mac.root / "Library/Logs", 0, 80)
    os.chmod(mac.root / "Library/Logs", 0o775)
    assert mac.install().returncode == 0


@pytest.mark.parametrize("path", [FOLDER, "private/etc/vmnet-broker", STATE, LOGS])
def test_link_in_the_way(mac, path):
    victim = mac.root / "private/victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    (mac.root / path).symlink_to("/private/victim")
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert f"/{path} is a link; remove it" in done.stderr
    assert mac.files() == before


def test_other_tarball(mac):
    tarball = mac.root / mac.tarball()[1:]
    tarball.write_bytes(tarball.read_bytes() + b"\0")
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert f"is not the release {VERSION}: its SHA-256 is " in done.stderr
    assert mac.files() == before


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("version", "15.6\n", "macOS 26 or later is needed, and this is macOS 15"),
        ("unsigned", "", "the broker's signature is not valid"),
        ("entitlements", "<plist/>", "the broker is not signed for virtualization"),
    ],
)
def test_not_fit(mac, name, content, message):
    mac.pretend(name, content)
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert message in done.stderr
    assert mac.files() == before


def test_configuration_that_the_new_version_refuses(mac):
    assert mac.install().returncode == 0
    (mac.root / CONFIGURATION).write_text("wrong")
    before = mac.files()
    done = mac.install()
    assert done.returncode == 1
    assert "does not take this configuration" in done.stderr
    assert mac.files() == before
    assert mac.loaded


@pytest.mark.parametrize(
    "arguments", [["--what"], ["a", "b"], ["--purge"], ["--remove", "a"], ["/tmp/missing"]]
)
def test_usage(mac, arguments):
    before = mac.files()
    assert mac.install(*arguments).returncode == 1
    assert mac.files() == before


def test_not_root(mac):
    done = mac.run("sh", "/tmp/install-macos", user="501:20")
    assert done.returncode == 1
    assert "only root can do this; run it with sudo" in done.stderr


def test_source_of_the_installer(mac):
    assert mac.install().returncode == 0
    done = mac.run("sh", f"/{FOLDER}/install-macos", mac.tarball())
    assert done.returncode == 1
    assert "scripts/dist makes the one to run" in done.stderr


@pytest.mark.parametrize("installed", [False, True])
def test_every_step_can_fail(mac, installed):
    """Whichever change fails, all that were made before it are undone."""
    if installed:
        assert mac.install().returncode == 0
    before = mac.files()
    for change in range(1, 100):
        mac.forget_calls()
        mac.pretend("fail", f"{change}\n")
        done = mac.install()
        if int((mac.root / "stand-ins/changes").read_text()) < change:
            break
        assert done.returncode == 1, f"change {change}"
        assert mac.files() == before, f"change {change}: {done.stderr}"
        assert mac.loaded == installed, f"change {change}: {done.stderr}"
    assert done.returncode == 0, done.stderr
    assert change > 10


def test_undoing_fails_too(mac):
    """What cannot be put back is not thrown away."""
    assert mac.install().returncode == 0
    (mac.root / FOLDER / "mine").write_text("precious")
    mac.forget_calls()
    mac.pretend("fail-from", "5\n")
    done = mac.install()
    assert done.returncode == 1
    assert f"cannot undo: put_away /{FOLDER}\n" in done.stderr
    (kept,) = (mac.root / "Library/Application Support").glob("vmnet-broker.*/kept/*/mine")
    assert f"is in /{kept.parents[1].relative_to(mac.root)}\n" in done.stderr


def test_broker_that_does_not_answer(mac):
    assert mac.install().returncode == 0
    before = mac.files()
    mac.stop_broker()
    mac.pretend("silent")
    done = mac.install()
    assert done.returncode == 1
    assert "the broker does not answer" in done.stderr
    assert mac.files() == before
    assert mac.loaded
    assert "undoing what was done" in (mac.root / LOG).read_text()


def test_uninstall(mac):
    before = mac.files()
    assert mac.install().returncode == 0
    done = mac.uninstall()
    assert done.returncode == 0, done.stderr
    assert not mac.loaded
    left = {path for path in mac.files() if path not in before and "dscl" not in path}
    assert left == {"private/etc/vmnet-broker", CONFIGURATION, STATE, LOGS, LOG_FILE}
    assert mac.install().returncode == 0
    assert mac.uninstall("--purge").returncode == 0
    assert mac.files() == before
    assert mac.uninstall("--purge").returncode == 0


def test_uninstall_from_a_folder_in_others_hands(mac):
    """What is installed there is not run."""
    assert mac.install().returncode == 0
    use(mac)
    os.chmod(mac.root / FOLDER, 0o777)
    done = mac.uninstall()
    assert done.returncode == 1
    assert f"others than root can write /{FOLDER}" in done.stderr


def test_uninstall_by_what_is_installed(mac):
    """Out of a pipe, in a folder that has an installer of somebody else's."""
    before = mac.files()
    assert mac.install().returncode == 0
    (mac.root / "tmp/install-macos").write_text("exit 3")
    with open(mac.root / "tmp/uninstall-macos", encoding="utf-8") as script:
        done = mac.run("sh", "-c", "cd /tmp && sh -s -- --purge", stdin=script)
    assert done.returncode == 0, done.stderr
    assert mac.files() == before


def test_uninstall_what_is_not_installed(mac):
    with open(mac.root / "tmp/uninstall-macos", encoding="utf-8") as script:
        done = mac.run("sh", stdin=script)
    assert done.returncode == 1
    assert "vmnet-broker is not installed" in done.stderr
