"""Columns of a list, how a value is shown in them, and the actions above it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse
from django.utils import formats
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _

from kit import writing

Text = str | Promise


@dataclass(frozen=True)
class Column:
    """One column: what it is called, how a row fills it, whether the list can be sorted by it.

    `value` is a path (`account.name`), or a function of the row; by default the path is `name`.
    `sort` names a database field or annotation; None: not sortable. `desc_first`: the first click sorts downwards.
    `template` draws the cell with `row` and `column`; the export uses `export`, a function of the row, or `value`.
    `link`: the cell leads to the row's own page (`get_absolute_url`). `align` is "start" or "end" (numbers).
    `whole`: takes the full width of a folded row on a phone. `aside`: left out where there is little room, unless it
    is what the reader sorts by.
    """

    name: str
    label: Text
    sort: str | None = None
    value: str | Callable[[Any], Any] | None = None
    template: str = ""
    align: str = "start"
    link: bool = False
    whole: bool = False
    aside: bool = False
    desc_first: bool = False
    export: Callable[[Any], Any] | None = None
    exported: bool = True

    def of(self, row: Any) -> Any:
        """The value itself, as the export writes it; None when a step of the path is missing."""
        if self.export:
            return self.export(row)
        return self._value(row)

    def text(self, row: Any) -> Any:
        """The value as the page shows it, in the reader's language and zone; a folded row on a phone skips a dash."""
        value = self._value(row)
        shown = written(value)
        if isinstance(value, date):  # an instant is one too; told as a time, it is not broken over lines
            return format_html('<time datetime="{}">{}</time>', value.isoformat(), shown)
        return format_html('<span class="nothing">{}</span>', shown) if shown == writing.NOTHING else shown

    def _value(self, row: Any) -> Any:
        if callable(self.value):
            return self.value(row)
        return functools.reduce(_step, (self.value or self.name).split("."), row)


@dataclass(frozen=True)
class Action:
    """The one thing that a list page offers to do."""

    label: Text
    url_name: str
    icon: str = "plus"
    right: str = ""

    @property
    def url(self) -> str:
        return reverse(self.url_name)


def written(value: Any) -> Any:
    """A value as pages show it."""
    if value is None or value == "":
        return writing.NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return writing.number(value)
    if isinstance(value, float | Decimal):
        return formats.localize(value, use_l10n=True)
    if isinstance(value, datetime):
        return writing.instant(value)
    if isinstance(value, date):
        return writing.day(value)
    return value


def _step(value: Any, name: str) -> Any:
    if value is None:
        return None
    try:
        found = getattr(value, name)
    except ObjectDoesNotExist:
        return None
    return found() if callable(found) and not isinstance(found, type) else found
