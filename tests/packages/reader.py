# SPDX-License-Identifier: Apache-2.0
"""Who reads README.md on a booted host: a user with sudo, who types what is printed there.

What is cloned there is this tree as it is, from a folder that git takes for the address.
"""

import re
import shlex
import subprocess

from support.documents import TOP, blocks

README = TOP / "README.md"
ADDRESS = "https://github.com/nirs/vmnet-broker"
NAME = "alice"
HOME = f"/home/{NAME}"
SOURCE = f"{HOME}/vmnet-broker"
# As Debian's installer leaves a host, without systemd-resolved. Who is asked about a host that ssh
# does not know says yes, and apt does not try again for a network that is not there.
ARRIVE = f"""
    systemctl --quiet mask --runtime --now systemd-resolved
    sed -Ei '/^hosts:/s/ resolve +[[][^]]*[]]//' /etc/nsswitch.conf
    echo "127.0.0.1 localhost $(hostname)" >/etc/hosts
    echo 'Acquire::Retries "0";' >/etc/apt/apt.conf.d/no-network
    git config --system url.file:///clone.insteadOf {ADDRESS}
    git config --system --add safe.directory /clone
    useradd --create-home --shell /bin/bash {NAME}
    echo 'Defaults env_keep += "CFLAGS DEB_BUILD_OPTIONS"' >/etc/sudoers.d/{NAME}
    echo '{NAME} ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/{NAME}
    runuser -l {NAME} -c 'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519'
    runuser -l {NAME} -c 'echo "StrictHostKeyChecking accept-new" >~/.ssh/config'
"""
# What is built is not optimized.
QUICK = "export CFLAGS=-O0 DEB_BUILD_OPTIONS='nocheck terse noopt'"


def make_clone(path):
    """What git clones from: the tree with what is not committed, as one commit."""
    git = ["git", f"--git-dir={path}", f"--work-tree={TOP}", "-c", "safe.directory=*"]
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "init", "--quiet", "--bare", path], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, *who, "commit", "--quiet", "--message=The tree"], check=True)


def printed(part):
    """The block of README.md that has this in it."""
    (text,) = [text for _, text in blocks(README) if part in text]
    return text.strip()


def quoted(start):
    """The command in its sentences that begins so."""
    (text,) = re.findall(rf"`({start}[^`]*)`", README.read_text(encoding="utf-8"))
    return text


class Reader:
    """The user on that host."""

    def __init__(self, host):
        self._host = host
        host.run("sh", "-euc", ARRIVE)

    def type(self, text, place=SOURCE, answer=""):
        """Types lines, and an answer to what they ask; returns what they printed."""
        shell = f"cd {place}; {QUICK}; echo {shlex.quote(answer)} | bash -euc {shlex.quote(text)}"
        return self._host.run("runuser", "-l", NAME, "-c", shell, timeout=300)

    def use(self, disk):
        """What "Use" says: two machines on "default", which are reached by their names."""
        for place in SOURCE, HOME:
            self.type(f"cp {disk} {place}/disk.img")
        try:
            self._use()
        except AssertionError:
            print(self.type(f"cat {SOURCE}/terminal {HOME}/terminal"))
            raise
        finally:
            # The machines end with their programs, and the network with the machines.
            self._host.run("pkill", "-u", NAME, "-f", "^qemu-system", check=False)
        self._host.run("sh", "-c", "while [ -e /sys/class/net/vmb-default ]; do sleep 0.1; done")

    def _use(self):
        self._start(printed("scripts/try"), SOURCE)
        self.type("until vmnetctl networks | grep '^default .* active '; do sleep 0.1; done")
        said = self.type(printed("cloud@web"), answer="hostname; id -un")
        assert said.endswith("web\ncloud\n"), said
        self._start(printed("vmnetctl run"), HOME)
        self.type("vmnetctl ip default db --wait 120")
        self.type("getent ahostsv4 db.default.internal")

    def _start(self, text, place):
        """In a terminal of its own."""
        self.type(f"(\n{text}\n) </dev/null >{place}/terminal 2>&1 &", place)
