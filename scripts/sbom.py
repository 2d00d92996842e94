# SPDX-License-Identifier: Apache-2.0
"""What a release is made of and stands on, as SPDX 2.3 has it in JSON.

Debian 12 has no program that makes one of sources in C, so this reads what the build reads:
meson.build and the wrap of jansson. What Linux links is the distribution's, of no certain version.
"""

import json
import re
import time

URL = "https://github.com/nirs/vmnet-broker"
# Started as a program of its own.
CALLED = {"dnsmasq": "the distribution's dnsmasq, at run time on Linux"}
# Of the system, or for tests.
NOT_OURS = ["threads", "appleframeworks", "cmocka", "BlocksRuntime"]


def linked(source):
    """What the build asks for, as {name: the least version, or None}."""
    found = {}
    for path in sorted(source.glob("**/meson.build")):
        if path.relative_to(source).parts[0] in ("tests", "bench", "subprojects"):
            continue
        for name, version in re.findall(DEPENDENCY, path.read_text(encoding="utf-8")):
            if name not in NOT_OURS:
                found[name] = version or found.get(name)
    return found


DEPENDENCY = re.compile(r"dependency\(\s*'([^']+)'(?:,\s*version: '>=([\d.]+)')?")


def jansson(source):
    """(version, address, SHA-256) of the one that is linked into the programs for macOS."""
    text = (source / "subprojects/jansson.wrap").read_text(encoding="utf-8")
    url = re.search("^source_url = (.*)$", text, re.MULTILINE)[1]
    digest = re.search("^source_hash = (.*)$", text, re.MULTILINE)[1]
    return re.search(r"/v([\d.]+)\.tar", url)[1], url, digest


def package(name, version=None, location="NOASSERTION", digest=None, **more):
    described = {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "downloadLocation": location,
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        **more,
    }
    if version:
        described["versionInfo"] = version
    if digest:
        described["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest}]
    return described


def make(source, version, seconds, digests):
    """The document's text. seconds: since 1970; digests: {a tarball's name: its SHA-256}."""
    download = f"{URL}/releases/download/v{version}"
    ours = {"licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0"}
    ours["copyrightText"] = "The vmnet-broker authors"
    packages, relations = [], []

    def relate(one, kind, other):
        relations.append(
            {
                "spdxElementId": f"SPDXRef-{one}",
                "relationshipType": kind,
                "relatedSpdxElement": f"SPDXRef-{other}",
            }
        )

    for file, digest in sorted(digests.items()):
        packages.append(
            package(file, version, f"{download}/{file}", digest, packageFileName=file, **ours)
        )
        relate("DOCUMENT", "DESCRIBES", file)
    built = [file for file in digests if file.endswith("-macos.tar.gz")]
    sources = [file for file in digests if file not in built]
    for name, least in sorted(linked(source).items()):
        comment = f"version {least} or later" if least else "any version"
        packages.append(package(name, comment=f"on Linux: the distribution's, {comment}"))
        for file in sources:
            relate(file, "DYNAMIC_LINK", name)
    for name, comment in CALLED.items():
        packages.append(package(name, comment=comment))
        for file in sources:
            relate(name, "RUNTIME_DEPENDENCY_OF", file)
    for file in built:
        number, url, digest = jansson(source)
        packages.append(package("jansson-macos", number, url, digest, licenseDeclared="MIT"))
        relate(file, "STATIC_LINK", "jansson-macos")
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"vmnet-broker-{version}",
        "documentNamespace": f"{download}/vmnet-broker-{version}.spdx.json",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
            "creators": ["Tool: vmnet-broker-scripts-sbom"],
        },
        "packages": packages,
        "relationships": relations,
    }
    return json.dumps(document, indent=2) + "\n"
