# SPDX-License-Identifier: Apache-2.0
"""The project's documents, as the tests read them: their blocks, commands, headings and links.

In Markdown a block that is indented by four spaces, and a fenced one of "sh", is commands; in one
of "console" the lines that begin with "$ " are. In a manual page those of EXAMPLES are, and again
what follows "$ ".
"""

import pathlib
import re
import textwrap

TOP = pathlib.Path(__file__).parents[2]
MARKDOWN = [
    *TOP.glob("*.md"),
    *TOP.glob("docs/*.md"),
    *TOP.glob("packaging/*.md"),
    *TOP.glob("bindings/*/README.md"),
    *TOP.glob(".github/**/*.md"),
]
MANUALS = sorted(TOP.glob("man/*.[1-8]"))
# What a fenced block may be called: what is in it is known, or is nothing that is run.
COMMANDS = ["sh", "console"]
TEXTS = "c go ini json jsonc python ruby rust swift text xml yaml".split()


def name(path):
    return str(path.relative_to(TOP))


def blocks(path):
    """The blocks of a Markdown document, as (kind, text): kind is None for an indented one."""
    lines = path.read_text(encoding="utf-8").split("\n")
    found = []
    while lines:
        fence = re.fullmatch(r" *```(\w*)", lines[0])
        if fence:
            end = next(n for n, line in enumerate(lines) if n and line.strip() == "```")
            found.append((fence[1], textwrap.dedent("\n".join(lines[1:end]))))
        else:
            end = next((n for n, line in enumerate(lines) if not line.startswith("    ")), 0)
            if end:
                found.append((None, textwrap.dedent("\n".join(lines[:end]))))
                end -= 1
        del lines[: end + 1]
    return found


def prose(path):
    """A Markdown document without its blocks, and without what is quoted in a line."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^ *```.*?^ *```$|^    [^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`", text)


def split(text):
    """The commands of a text, one each, as they stand there but for comments."""
    text = re.sub(r"(^|\s+)# .*$", "", text, flags=re.MULTILINE)
    return [command for command in re.split(r"(?<!\\)\n", text) if command.strip()]


def prompted(text):
    """The commands of a text that shows what they print, too."""
    return [found[0].replace("\n> ", "\n") for found in re.finditer(PROMPTED, text)]


PROMPTED = re.compile(r"(?<=^\$ ).*(?:\\\n.*)*", re.MULTILINE)


def markdown_commands(path):
    found = []
    for kind, text in blocks(path):
        if kind == "console":
            found += prompted(text)
        elif kind in (None, "sh"):
            found += split(text)
    return found


def manual_commands(path):
    text = path.read_text(encoding="utf-8").replace("\\e", "\\")
    examples = re.search(r"^\.Sh EXAMPLES$.*?(?=^\.Sh )|\Z", text, re.MULTILINE | re.DOTALL)[0]
    shown = re.findall(r"^\.Bd -literal -offset indent\n([^{].*?)^\.Ed$", examples, re.M | re.S)
    return [command for block in shown for command in split(block)] + prompted(text)


def commands():
    """Every command that a document shows, as (document, command)."""
    found = [(name(path), command) for path in MARKDOWN for command in markdown_commands(path)]
    found += [(name(path), command) for path in MANUALS for command in manual_commands(path)]
    return found


def plain(command):
    """A command in one line, by which it is known."""
    return " ".join(command.replace("\\\n", " ").split())


def anchors(path):
    """What the headings of a document are linked by, as GitHub makes it of them."""
    found = []
    for title in re.findall(r"^#+ (.*)$", prose_with_quotes(path), re.MULTILINE):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        again = found.count(slug)
        found.append(slug if not again else f"{slug}-{again}")
    return found


def prose_with_quotes(path):
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```$|^    [^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(path):
    """Where a document leads: what is in brackets after a text, and what a label stands for."""
    text = prose(path)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    found += re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE)
    return found


def labels(path):
    """The labels that a document uses, and those that it defines."""
    text = prose(path)
    defined = set(re.findall(r"^\[([^]]+)\]: ", text, re.MULTILINE))
    used = set(re.findall(r"\]\[([^]]+)\]", text))
    alone = set(re.findall(r"(?<!\])\[([^]]+)\](?![\[(:])", text))
    return used | (alone & defined), defined
