# SPDX-License-Identifier: Apache-2.0
"""Fresh systems of Debian, for what has to be tried where nothing is installed yet.

They stay in the folder of the build: one that debootstrap has made, and beside it what each list
of packages adds to that. Who uses one has a layer of his own above these, which goes with him.
No mount of theirs outlives the command that runs there.
"""

import contextlib
import hashlib
import os
import shlex
import shutil
import tempfile

from .tools import SANITIZED, Failure

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOTS = os.path.abspath(f"{SANITIZED}/roots")

# sh -c ENTER sh LOWER LAYER COMMAND ARGUMENT...: in namespaces that end with the command.
ENTER = """
set -e
lower=$1 layer=$2
shift 2
mount -t overlay -o "lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work" \
    overlay "$layer/root"
cd "$layer/root"
[ "$1" = chroot ] || exec "$@"
mount -t proc proc proc
mount --rbind /dev dev
cat /etc/resolv.conf >etc/resolv.conf
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod +x usr/sbin/policy-rc.d
exec "$@"
"""
# sh -c BOOT sh GROUP COMMAND ARGUMENT...: nspawn wants a cgroup that systemd can be given.
BOOT = """
mount -t proc proc /proc &&
mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
group=/sys/fs/cgroup/$1 && shift && mkdir "$group" || exit
(echo 0 >"$group/cgroup.procs" && exec "$@")
find "$group" -depth -type d -exec rmdir {} +
"""
UNIT = """
[Service]
Type=oneshot
ExecStart=/bin/sh -ex /tried
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS >/status; systemctl poweroff --force --force'
StandardOutput=file:/said
StandardError=inherit
"""
NSPAWN = ["systemd-nspawn", "--quiet", "--directory=.", "--boot", "--private-network"]
NSPAWN += ["--register=no", "--keep-unit", "--console=pipe", "--bind=/dev/net/tun"]
NSPAWN += ["--capability=CAP_NET_ADMIN"]
NSPAWN += ["--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
INSTALL = (
    "export DEBIAN_FRONTEND=noninteractive && apt-get -q update && "
    'apt-get -q -y --no-install-recommends install "$@" && apt-get clean'
)


class Root:
    """One that can be changed: lower, the folders that it is made of; layer, its own."""

    def __init__(self, lower, layer):
        self.lower, self.layer = lower, layer
        for name in "upper", "work", "root":
            os.makedirs(f"{layer}/{name}")

    def command(self, *argv):
        """The command line that runs argv on this machine, with "." the system's root."""
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*isolated, "sh", "-c", ENTER, "sh", ":".join(self.lower), self.layer, *argv]

    def run(self, log, *argv, **options):
        """Runs a command in it, as its root; returns its exit status and output."""
        options.setdefault("env", {**os.environ, "PATH": PATH})
        log.write(f"fresh# {shlex.join(argv)}\n")
        status, output = log.run_quietly(*self.command("chroot", ".", *argv), **options)
        log.write(output)
        return status, output

    def boot(self, log, script):
        """Boots its systemd, which runs a script; returns whether that succeeded."""
        for name, text in ("/tried", script), ("/etc/systemd/system/try.service", UNIT):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)
        boot = [*NSPAWN, "systemd.unit=multi-user.target", "systemd.wants=try.service"]
        group = os.path.basename(self.layer)
        log.run(*self.command("sh", "-c", BOOT, "sh", group, *boot), timeout=120)
        with open(self.path("/said"), encoding="utf-8", errors="replace") as file:
            log.write(file.read())
        with open(self.path("/status"), encoding="ascii") as file:
            return file.read() == "0\n"

    def path(self, name):
        """Where to put what it is to have, before it runs: Root.path("/etc/hosts")."""
        path = f"{self.layer}/upper/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path


def _machines_own(log):
    """Where the packages of this machine come from: (mirror, release, components)."""
    form = ["--format", "$(SITE) $(RELEASE) $(COMPONENT)"]
    _, output = log.run("apt-get", "indextargets", *form, "Created-By: Packages")
    with open("/etc/os-release", encoding="utf-8") as file:
        names = [line[len("VERSION_CODENAME=") :].strip() for line in file if "CODENAME=" in line]
    found = [line.split() for line in output.splitlines() if line.split()[1:2] == names[:1]]
    if not found:
        raise Failure("apt knows no mirror of this release")
    mirror, release, _ = found[0]
    return mirror, release, sorted({component for at, _, component in found if at == mirror})


def _keep(name, make):
    """A folder that make(path) makes, whole or not at all, where there is none yet."""
    path = f"{ROOTS}/{name}"
    if os.path.exists(path):
        return path
    os.makedirs(ROOTS, exist_ok=True)
    unfinished = tempfile.mkdtemp(dir=ROOTS)
    try:
        make(unfinished)
        os.rename(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return path


def _base(log):
    mirror, release, components = _machines_own(log)

    def make(path):
        options = ["--variant=minbase", f"--components={','.join(components)}"]
        if log.run("debootstrap", *options, release, path, mirror)[0] != 0:
            raise Failure("debootstrap failed")
        # What it has fetched nobody needs again.
        shutil.rmtree(f"{path}/var/cache/apt/archives", ignore_errors=True)
        os.chmod(path, 0o755)

    return _keep(release, make)


def _with_packages(log, base, packages):
    def make(path):
        if Root([base], path).run(log, "sh", "-c", INSTALL, "sh", *packages)[0] != 0:
            raise Failure(f"apt-get could not install {' '.join(packages)}")

    digest = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()
    return f"{_keep(f'{os.path.basename(base)}-{digest[:12]}', make)}/upper"


@contextlib.contextmanager
def fresh_root(log, packages=()):
    """A Root of this machine's release that has these packages, and nothing else."""
    base = _base(log)
    lower = [*([_with_packages(log, base, packages)] if packages else []), base]
    layer = tempfile.mkdtemp(dir=ROOTS)
    try:
        yield Root(lower, layer)
    finally:
        shutil.rmtree(layer)
