# SPDX-License-Identifier: Apache-2.0
"""What an installation could leave on a booted host."""

# The log of what was done, and what keeps it, are not its own; nor is the dynamic linker's list,
# nor what the system's services have there while they run.
OTHERS = (
    "/var/backups",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd/timers",
    "/var/log",
    "/var/tmp",
)


def _files(host):
    prune = [word for path in OTHERS for word in ("-path", path, "-o")][:-1]
    found = host.run("find", "/etc", "/usr", "/var", "(", *prune, ")", "-prune", "-o", "-print")
    runtime = host.run("find", "/run", "-name", "*vmnet*")
    return set(found.splitlines()) | set(runtime.splitlines())


def snapshot(host):
    return {
        "files": _files(host),
        "names": host.run("cat", "/etc/nsswitch.conf"),
        "links": host.run("ip", "-brief", "link"),
        "rules": host.run_here("nft", "list", "ruleset"),
        "routes": host.run("ip", "rule") + host.run("ip", "route"),
        "processes": host.run("pgrep", "-l", "dnsmasq|vmnet", check=False),
        "forwarding": host.run("sysctl", "net.ipv4.ip_forward"),
        "units": host.run("systemctl", "list-units", "--all", "--plain", "vmnet-broker*"),
    }
