#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a picture that is described in a text: scripts/picture.py FILE.txt > FILE.svg

The same text gives the same bytes, wherever it is drawn. Lengths are in units of 20 pixels. A
line is one of

    size WIDTH HEIGHT
    frame X Y WIDTH HEIGHT TITLE
    box X Y WIDTH HEIGHT TITLE | LINE | LINE
    arrow FROM > TO [at X or Y]
    note X Y TEXT

Boxes and frames are known by their titles. An arrow is vertical or horizontal: between the sides
that face each other, in the middle of what both have there, or at a place of its own.
"""

import html
import re
import sys

UNIT = 20
STYLE = """\
text { font: 14px sans-serif; fill: #1f2328 }
.title { font-weight: bold }
.paper { fill: #ffffff }
.frame { fill: none; stroke: #6e7781; stroke-dasharray: 5 4 }
.box { fill: #eef1f4; stroke: #57606a }
.arrow { stroke: #0a58ca; stroke-width: 2 }
.head { fill: #0a58ca }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.paper { fill: #0d1117 }
.frame { stroke: #8b949e }
.box { fill: #21262d; stroke: #8b949e }
.arrow { stroke: #79b8ff }
.head { fill: #79b8ff }
}
"""


def pixels(units):
    return round(float(units) * UNIT)


def rectangle(kind, x, y, width, height):
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>'


def words(x, y, text, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x}" y="{y}">{html.escape(text, quote=False)}</text>'


class Picture:
    def __init__(self):
        self.size = (0, 0)
        self.places = {}  # by title: left, top, right, bottom
        self.parts = []

    def add_size(self, width, height):
        self.size = (pixels(width), pixels(height))

    def place(self, kind, numbers, title):
        x, y, width, height = map(pixels, numbers.split())
        self.places[title] = (x, y, x + width, y + height)
        self.parts.append(rectangle(kind, x, y, width, height))
        self.parts.append(words(x + 8, y + 19, title, "title"))
        return x, y

    def add_frame(self, numbers, title):
        self.place("frame", numbers, title)

    def add_box(self, numbers, text):
        title, *lines = text.split(" | ")
        x, y = self.place("box", numbers, title)
        for number, line in enumerate(lines):
            self.parts.append(words(x + 8, y + 38 + 18 * number, line))

    def add_note(self, x, y, text):
        self.parts.append(words(pixels(x), pixels(y), text))

    def add_arrow(self, start, end, at):
        a, b = self.places[start], self.places[end]
        axis = 0 if min(a[2], b[2]) > max(a[0], b[0]) else 1  # both have some of it
        low, high = max(a[axis], b[axis]), min(a[axis + 2], b[axis + 2])
        if low >= high:
            raise ValueError(f"no straight line leads from {start} to {end}")
        along = pixels(at) if at else (low + high) // 2
        forward = b[1 - axis] >= a[3 - axis]
        first, last = (a[3 - axis], b[1 - axis]) if forward else (a[1 - axis], b[3 - axis])
        back = last - (9 if forward else -9)
        tail, neck, tip = (along, first), (along, back), (along, last)
        left, right = (along - 5, back), (along + 5, back)
        if axis == 1:
            tail, neck, tip, left, right = (p[::-1] for p in (tail, neck, tip, left, right))
        ends = 'x1="{}" y1="{}" x2="{}" y2="{}"'.format(*tail, *neck)
        head = " ".join("{},{}".format(*point) for point in (tip, left, right))
        self.parts.append(f'<line class="arrow" {ends}/>')
        self.parts.append(f'<polygon class="head" points="{head}"/>')

    def svg(self):
        width, height = self.size
        box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n<style>\n{STYLE}</style>'
        paper = rectangle("paper", 0, 0, width, height)
        return "\n".join([head, paper, *self.parts, "</svg>\n"])


NUMBER = r"[\d.]+"
LINES = {
    rf"size ({NUMBER}) ({NUMBER})": Picture.add_size,
    rf"frame ((?:{NUMBER} ){{4}})(.+)": Picture.add_frame,
    rf"box ((?:{NUMBER} ){{4}})(.+)": Picture.add_box,
    rf"note ({NUMBER}) ({NUMBER}) (.+)": Picture.add_note,
    rf"arrow (.+?) > (.+?)(?: at ({NUMBER}))?": Picture.add_arrow,
}


def draw(text):
    picture = Picture()
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        for pattern, add in LINES.items():
            found = re.fullmatch(pattern, line)
            if found:
                add(picture, *found.groups())
                break
        else:
            raise ValueError(f"not understood: {line}")
    return picture.svg()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(draw(file.read()))
