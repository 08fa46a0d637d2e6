"""What every metric offers: a name, words, and the people behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Field
from django.utils.functional import Promise

from kit.sql import Sql, join, rows, sql
from reporting.campaigns import CampaignQuestion
from reporting.money import MoneyQuestion
from reporting.questions import Question

Text = str | Promise
FIGURE = "figure"  # the part of a metric that is the figure itself
NO_AMOUNT = "0"  # of a part that adds nothing up


@dataclass(frozen=True)
class Extra:
    """A further column of a metric's list: its SQL over `reporting_stageentry`, and what kind of value that is.

    `later`: it tells of what came after the row, which a past day did not know.
    """

    name: str
    label: Text
    value: Callable[[Question], Sql]
    field: Field[Any, Any]
    ends: bool = False  # numbers stand at the end of their column
    later: bool = False


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

    def told_of(self, question: Question) -> list[Extra]:
        """The further columns; of a past day without those that tell what came later."""
        return [extra for extra in self.extras if not (extra.later and question.is_past)]


def in_words(docstring: str | None) -> str:
    """A module's docstring as one paragraph."""
    return " ".join((docstring or "").split())


# ---- figures about customers and their money ----


@dataclass(frozen=True)
class Part:
    """A figure of a metric: who is in it (SQL over the relation) and the amount that is added up."""

    label: Text
    where: Sql
    amount: str = NO_AMOUNT


@dataclass(frozen=True)
class Column:
    """A column of the relation that the list behind a figure shows."""

    name: str
    label: Text
    kind: str = "money"  # or "date", "number", "account" (its id)


@dataclass(frozen=True)
class CustomerMetric:
    """Numbers about customers, or partners. `relation(question)` has a row per customer (or contract, deal, partner:
    `unit`) with its `id`; each of `parts` keeps some of them. `report` is the page that shows it."""

    name: str
    label: Text
    definition: Text
    relation: Callable[[MoneyQuestion], Sql]
    parts: Mapping[str, Part]
    columns: Sequence[Column]
    report: str
    unit: str = "customer"

    def rows(self, question: MoneyQuestion, part: str) -> Sql:
        """The rows behind one part: `id` and the columns."""
        return sql("SELECT * FROM ({}) told WHERE {}", self.relation(question), self.parts[part].where)

    def sums(self, question: MoneyQuestion) -> dict[str, tuple[int, int]]:
        """Of every part how many rows it has and what they add up to, in one statement."""
        each = [
            sql("count(*) FILTER (WHERE {}), COALESCE(sum({}) FILTER (WHERE {}), 0)", p.where, Sql(p.amount), p.where)
            for p in self.parts.values()
        ]
        [row] = rows(sql("SELECT {} FROM ({}) told", join(", ", each), self.relation(question)))
        return {name: (row[2 * i], int(row[2 * i + 1])) for i, name in enumerate(self.parts)}


# ---- figures about deals ----


@dataclass(frozen=True)
class DealMetric:
    """A figure about deals: what it means. The rows behind it are the list of deals, narrowed by its address."""

    name: str
    label: Text
    definition: Text


# ---- figures about campaigns ----


@dataclass(frozen=True)
class CampaignMetric:
    """Numbers about campaigns. `relation(questions)` has a row per assignment with its `id` and `campaign_id`; each of
    `parts` keeps some of them."""

    name: str
    label: Text
    definition: Text
    relation: Callable[[Sequence[CampaignQuestion]], Sql]
    parts: Mapping[str, Part]

    def rows(self, question: CampaignQuestion, part: str) -> Sql:
        """The rows behind one part of one campaign."""
        return sql("SELECT * FROM ({}) told WHERE {}", self.relation([question]), self.parts[part].where)

    def counts(self, questions: Sequence[CampaignQuestion]) -> dict[int, dict[str, int]]:
        """How many each part has, by campaign, in one statement; a campaign that nobody was assigned to has none."""
        if not questions:
            return {}
        each = [sql("count(*) FILTER (WHERE {})", part.where) for part in self.parts.values()]
        statement = sql("SELECT campaign_id, {} FROM ({}) told GROUP BY 1", join(", ", each), self.relation(questions))
        return {campaign: dict(zip(self.parts, told, strict=True)) for campaign, *told in rows(statement)}
