"""What the lists of people and of accounts are made of beside their own columns: what upper floors add, and tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import django_filters
from django.urls import reverse
from django.utils.translation import gettext as _

from kit import pages, rights


@dataclass(frozen=True)
class Told:
    """How programs are told what a column shows: a member `name` of the subject, `value(row)`, and its JSON schema."""

    name: str
    value: Callable[[Any], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Extra:
    """One more column of a list.

    `of` is "person" or "account"; `annotations` gives the expressions that the column reads, evaluated in the list's
    own statement; `filters` makes one filter for each of its names in the address. `on_card`: the column's text
    (of a column with a template, that of its file) also stands on the cards of a board, unless it is empty. `told`:
    how the API tells the same.
    """

    of: str
    column: pages.Column
    annotations: Callable[[], dict[str, Any]]
    filters: Mapping[str, Callable[[], django_filters.Filter]] = field(default_factory=dict)
    on_card: bool = False
    told: Told | None = None


_extras: dict[tuple[str, str], Extra] = {}


def register(extra: Extra) -> None:
    """Add a column to a list; call it in `AppConfig.ready`. The same column again replaces the first."""
    _extras[extra.of, extra.column.name] = extra


def extras(of: str) -> list[Extra]:
    """What was added to the list of people or of accounts."""
    return [extra for extra in _extras.values() if extra.of == of]


def save_as_segment(page: pages.ListPage, of: str) -> list[dict[str, Any]]:
    """The tool of a list that keeps those whom it shows now as a fixed list, for those who may."""
    if not rights.may(page.request.user, "edit"):
        return []
    shown = page._view().partition("?")[2]
    url = reverse("segment_of_list", args=[of]) + (f"?{shown}" if shown else "")
    return [{"label": _("Save as segment"), "icon": "users-round", "url": url}]
