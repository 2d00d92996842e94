# SPDX-License-Identifier: Apache-2.0
"""Lists of what is in packages, by names that do not depend on a distribution's manner."""

import glob
import json
import os
import re
import subprocess

BROKER = "lib/vmnet-broker/vmnet-broker-"
DISTRIBUTIONS = (
    r"/$|/(LICENSE|copyright|changelog(\.Debian)?\.gz)$|^\.[A-Z]+$"
    r"|^lib/(\.build-id|debug)/|^share/(doc/[^/]*-dbgsym$|lintian/)"
)


def run(*argv, **environment):
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{argv[0]}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def common(path):
    """A file's name whatever a distribution's manner is; None for what is the distribution's."""
    path = re.sub(r"^(\./|/|)(usr/local/|usr/|)", "", path)
    path = re.sub(r"^lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)/", "lib/", path)
    path = path.replace(BROKER, "libexec/vmnet-broker-")
    path = path.replace("zsh/vendor-completions", "zsh/site-functions")
    path = re.sub(r"(/man\d/.*)\.gz$", r"\1", path)
    return None if not path or re.search(DISTRIBUTIONS, path) else path


def common_set(paths):
    return {common(path) for path in paths} - {None}


def installed(build):
    """All that "meson install" installs."""
    listed = json.loads(run("meson", "introspect", "--installed", build))
    paths = list(listed.values())
    for source, path in listed.items():
        if os.path.isdir(source):
            paths.remove(path)
            files = glob.glob("**/*", root_dir=source, recursive=True)
            paths += [f"{path}/{file}" for file in files if file != "architecture.txt"]
    return common_set(paths)
