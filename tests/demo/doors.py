"""The figures of a page that open something: which count each shows, and how long the list behind it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from django.test import Client

TOTAL = re.compile(r'data-metric="list.total">\s*([\d,]+)')
COUNT = re.compile(r"[\d,]+")


@dataclass(frozen=True)
class Door:
    """One figure that is a link: what it is called, where it leads, the whole number that it shows."""

    metric: str
    url: str
    count: int


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.doors: list[Door] = []
        self.open: dict[str, str | None] | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("data-metric") and given.get("href"):
            self.open, self.text = given, ""

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.open:
            shown = self.open.get("data-count") or self.text.strip()
            if COUNT.fullmatch(shown):  # shares, days and sums of money have doors too, and are no lengths
                url, metric = str(self.open["href"]), str(self.open["data-metric"])
                self.doors.append(Door(metric, url, int(shown.replace(",", ""))))
            self.open = None


def of(page: str) -> list[Door]:
    """Every counting figure of a page that is a door."""
    finder = _Finder()
    finder.feed(page)
    return finder.doors


def length(visitor: Client, url: str) -> int | None:
    """How long the list behind an address says that it is; None when it is no list."""
    response = visitor.get(url)
    assert response.status_code == 200, url
    found = TOTAL.search(response.content.decode())
    return int(found[1].replace(",", "")) if found else None
