# SPDX-License-Identifier: Apache-2.0
"""Links of the documents lead somewhere: here, to what there is; elsewhere, to what the list has.

The list is addresses.txt. Nothing is fetched: whoever adds an address there has looked at it.
"""

import re

import pytest

from support.documents import MARKDOWN, TOP, anchors, labels, links, name, prose

ADDRESSES = (TOP / "tests/documents/addresses.txt").read_text(encoding="utf-8").splitlines()
FORM = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w./~%+-]*)?(#[\w-]+)?")
EVERY = pytest.mark.parametrize("path", MARKDOWN, ids=name)


def addresses(path):
    """Every address in a document, of a link or not."""
    found = re.findall(r"\bhttps?://[^\s)>\]`\"]+", prose(path))
    return [address.rstrip(".,;:") for address in found]


@EVERY
def test_inside(path):
    wrong = []
    for link in links(path):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or TOP not in target.parents:
            wrong.append(link)
        elif anchor and anchor not in anchors(target):
            wrong.append(link)
    assert wrong == []


@EVERY
def test_labels(path):
    used, defined = labels(path)
    assert used == defined


@EVERY
def test_outside(path):
    found = addresses(path)
    assert [address for address in found if not FORM.fullmatch(address)] == []
    assert [address for address in found if address not in ADDRESSES] == []


def test_the_list_has_no_more():
    assert ADDRESSES == sorted({address for path in MARKDOWN for address in addresses(path)})
