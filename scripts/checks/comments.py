# SPDX-License-Identifier: Apache-2.0
"""The sources that comments name: each of them is there.

One is named by its path, or by as much of that path's end as tells which it is. A header of the
system's is named as it is included: <net/if.h>.
"""

import re

COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)
SOURCE = re.compile(r"(?<![\w./<*-])(?:[\w-]+/)*[\w-]+\.(?:[chm]|py)\b(?![\w/>])")


def wrong_names(texts):
    """Looks at {file: its lines}; returns a line for each source that a comment names in vain."""
    ends = {end for file in texts for end in ends_of(file)}
    wrong = []
    for file in sorted(texts):
        if not file.endswith((".c", ".h", ".m")):
            continue
        text = "\n".join(texts[file])
        for comment in COMMENT.finditer(text):
            for name in SOURCE.finditer(comment[0]):
                if name[0] not in ends:
                    number = text.count("\n", 0, comment.start() + name.start()) + 1
                    wrong.append(f"{file}:{number}: there is no {name[0]}")
    return wrong


def ends_of(path):
    """The path, and what is left of it without its first folders."""
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]
