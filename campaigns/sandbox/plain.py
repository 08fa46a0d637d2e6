"""The plain text of a mail's HTML: its words in lines, each link with its address behind it.

A page's layout tables are no tables to a reader of text, so cells become lines. Placeholders of Liquid pass through,
those in comments too.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

SILENT = {"style", "script", "title", "head"}
BLOCKS = set(
    "address article aside blockquote body br dd div dl dt footer header hr li main nav ol p pre section table td th "
    "tr ul".split()
)
PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class _Reader(HTMLParser):
    def __init__(self, placeholder: re.Pattern[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.placeholder = placeholder
        self.pieces: list[str] = []
        self.silent: list[str] = []  # the open elements within one that is not shown
        self.links: list[tuple[str, int]] = []  # the open links: address, and where their words begin
        self.lists: list[int | None] = []  # the open lists: the number of the last item, None for bullets

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        hidden = "display:none" in given.get("style", "").replace(" ", "").lower()
        if tag not in VOID and (self.silent or tag in SILENT or hidden):
            self.silent.append(tag)
        if self.silent:
            return
        self._break(tag)
        if tag in ("ul", "ol"):
            self.lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "a":
            self.links.append((given.get("href", "").strip(), len(self.pieces)))
        elif tag == "img" and given.get("alt"):
            self.pieces.append(given["alt"])
        elif tag == "hr":
            self.pieces.append("----------\n\n")

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if tag in self.silent:
                while self.silent.pop() != tag:
                    pass
            return
        if tag == "a" and self.links:
            self._close_link()
        elif tag in ("ul", "ol") and self.lists:
            self.lists.pop()
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.pieces.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        if not self.silent and self.placeholder.fullmatch(data):
            self.pieces.append(data)

    def _break(self, tag: str) -> None:
        if tag in PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag in BLOCKS:
            self.pieces.append("\n")

    def _item(self) -> None:
        if self.lists and self.lists[-1] is not None:
            self.lists[-1] += 1
            self.pieces.append(f"{self.lists[-1]}. ")
        else:
            self.pieces.append("- ")

    def _close_link(self) -> None:
        address, begin = self.links.pop()
        words = "".join(self.pieces[begin:]).strip()
        shown = address.removeprefix("mailto:").removeprefix("tel:")
        if not address or address.startswith("#") or words == shown:
            return
        self.pieces.append(f" ({shown})" if words else shown)


def text_of(html: str, placeholder: re.Pattern[str]) -> str:
    """The plain text of a compiled document; `placeholder` matches what stands for Liquid."""
    reader = _Reader(placeholder)
    reader.feed(html)
    reader.close()
    return tidy("".join(reader.pieces))


def tidy(text: str) -> str:
    """Without blanks at the ends of lines, and never two empty lines together."""
    lines = (re.sub(r"[ \t\u00a0\u200b\u200c\u00ad\u034f\ufeff]+", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
