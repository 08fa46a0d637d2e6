"""The entries of the sidebar: each app registers its own, so that no link can lead to a page that does not exist."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from django.core import checks
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from kit import rights

Text = str | Promise

# In the order of the sidebar. The first has no heading.
AREAS: dict[str, Text] = {
    "main": "",
    "reports": _("Reports"),
    "data": _("Data"),
    "setup": _("Set-up"),
    "operations": _("Operations"),
}


@dataclass(frozen=True)
class Entry:
    """One link of the sidebar."""

    area: str
    label: Text = field(hash=False)  # a translation has the hash of its words, which are looked up for it
    url_name: str
    icon: str
    order: int
    right: str = ""

    @functools.cached_property
    def url(self) -> str:
        return reverse(self.url_name)


@dataclass(frozen=True)
class Group:
    """One area of the sidebar with the links to show in it; `current` is the link of the page now open, or None."""

    slug: str
    label: Text = field(hash=False)
    entries: tuple[Entry, ...]
    current: Entry | None


_entries: dict[str, Entry] = {}


def register(*, area: str, label: Text, url_name: str, icon: str, order: int = 100, right: str = "") -> None:
    """Adds one entry; call it in `AppConfig.ready`. Registering the same `url_name` again replaces the entry.

    With `right` only those who have it (`kit.rights`) see the entry.
    """
    if area not in AREAS:
        raise ValueError(f"{area!r} is no area of the sidebar; there are: {', '.join(AREAS)}.")
    _entries[url_name] = Entry(area, label, url_name, icon, order, right)


def groups(path: str, user: Any = None) -> list[Group]:
    """The areas that have entries, in order, with the entry marked whose address is the longest beginning of `path`."""
    shown = [entry for entry in _entries.values() if not entry.right or rights.may(user, entry.right)]
    urls = {entry.url_name: entry.url for entry in shown}
    inside = [entry for entry in shown if _leads_to(urls[entry.url_name], path)]
    current = max(inside, key=lambda entry: len(urls[entry.url_name]), default=None)
    found = []
    for slug, label in AREAS.items():
        entries = tuple(sorted((e for e in shown if e.area == slug), key=lambda e: (e.order, e.url_name)))
        if entries:
            found.append(Group(slug, label, entries, current))
    return found


def _leads_to(url: str, path: str) -> bool:
    return path == url if url == "/" else path.startswith(url)


@checks.register(checks.Tags.urls)
def every_entry_leads_somewhere(**kwargs: Any) -> list[checks.CheckMessage]:
    """A system check: an entry whose address does not exist is an error before anything is served."""
    errors: list[checks.CheckMessage] = []
    for entry in _entries.values():
        try:
            reverse(entry.url_name)
        except NoReverseMatch:
            message = f"The sidebar's entry “{entry.label}” names the address “{entry.url_name}”, which does not exist."
            errors.append(checks.Error(message, hint="Add the address or drop the entry.", id="kit.E001"))
    return errors
