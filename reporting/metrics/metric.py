"""What every metric offers: a name, words, and the people behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Field
from django.utils.functional import Promise

from kit.sql import Sql
from reporting.questions import Question

Text = str | Promise
FIGURE = "figure"  # the part of a metric that is the figure itself


@dataclass(frozen=True)
class Extra:
    """A further column of a metric's list: its SQL over `reporting_stageentry`, and what kind of value that is."""

    name: str
    label: Text
    value: Callable[[Question], Sql]
    field: Field[Any, Any]
    ends: bool = False  # numbers stand at the end of their column


@dataclass(frozen=True)
class Metric:
    """One number. `people(question, part)` selects the ids of the rows behind one of its `parts`.

    `title(question)` names the figure in words; `needs` are the properties of a question without which it cannot be
    asked ("stage", "target", "moment"). `definition` is the module's docstring, translated. `unit`: "entry" when the
    rows are stage entries, "membership" when they are memberships. `days`: the SQL of each entry's duration, where
    the metric is about durations. `extras`: further columns of its list.
    """

    name: str
    label: Text
    definition: Text
    people: Callable[[Question, str], Sql]
    title: Callable[[Question], str]
    needs: tuple[str, ...] = ()
    parts: Mapping[str, Text] = field(default_factory=dict)
    unit: str = "entry"
    days: Callable[[Question], Sql] | None = None
    extras: Sequence[Extra] = ()


def in_words(docstring: str | None) -> str:
    """A module's docstring as one paragraph."""
    return " ".join((docstring or "").split())
