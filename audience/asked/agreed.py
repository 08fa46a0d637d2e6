"""What conditions may ask of agreements: contracts in force and their dates, and what somebody has consented to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience import consent
from audience.asked import terms
from audience.asked.terms import ABOUT_CONTRACTS, CONTRACT_WHERE, changed, dated, dates, narrowed, not_begun
from audience.conditions import facts
from audience.conditions.moment import Span
from audience.conditions.registry import BOTH, PERSON, Ask, Field, Relation, register, register_family
from audience.models import Topic
from kit.sql import Sql, join, sql

Text = str | Promise
ABOUT_CONSENT = _("Consent")


def register_all() -> None:
    """Make contracts and consent known to the condition language."""
    for figure in CONTRACT_FIGURES:
        register(figure.field())
    terms.register_all()
    register_family("consent.", _topics)


# ---- contracts ----


@dataclass(frozen=True)
class Figure:
    """One figure over the contracts c of a subject: `over` those in force, or (`ever`) over all that have begun.

    `{}` in it stands for what `each` gives of a contract. `coming` is the date of which only days still to come count.
    """

    slug: str
    label: Text
    type: str
    over: str
    each: Callable[[Ask, date], Sql] | None = None
    ever: bool = False
    coming: str = ""
    counted: Any = None

    def field(self) -> Field:
        return Field(
            f"contract.{self.slug}",
            self.label,
            self.type,
            BOTH,
            Relation(lambda ask: _contracts(self, ask), lambda ask, span: _contracts_touched(self, ask, span)),
            where=CONTRACT_WHERE,
            zero=self.type in ("number", "money"),
            counted=self.counted,
            group=ABOUT_CONTRACTS,
        )


def _contracts(figure: Figure, ask: Ask) -> Sql:
    """Per subject the figure as of the moment, by the dates and the products that contracts then had."""
    first = not_begun(ask.moment)
    rows = narrowed(ask)
    if not figure.ever:
        rows.append(sql("(c.ends_on IS NULL OR c.ends_on >= {}::date)", first))
    if figure.coming:
        rows.append(sql(f"{figure.coming} >= {{}}::date", ask.moment.today))
    if figure.type == "money":
        rows += facts.one_currency(ask, "c.currency")
    value = sql(figure.over, figure.each(ask, first)) if figure.each else Sql(figure.over)
    return sql(
        "SELECT c.subject_id, {} AS value, {} AS evidence FROM {} c WHERE {} GROUP BY 1",
        value,
        _since(figure, ask, first),
        dated(ask.moment, ask.only("x.subject_id")),
        join(" AND ", rows),
    )


def _since(figure: Figure, ask: Ask, first: date) -> Sql:
    """The midnight that decides: of “at least n” the nth beginning, else the last that changed the figure."""
    least = ask.operator.least(ask.operand)
    day = Sql("NULL")
    if not ask.evidence or figure.coming:
        pass
    elif figure.type == "money":
        changed = sql(
            "(SELECT max(m.valid_from) FROM audience_contractamendment m WHERE m.contract_id = c.id "
            "AND m.valid_from < {}::date)",
            first,
        )
        day = sql("max(GREATEST(c.starts_on, {}))", changed)
    elif figure.slug == "ended":
        day = sql("max({})", _ended(ask, first))
    elif figure.ever:
        day = Sql("min(c.starts_on)")
    elif least and least > 0:
        day = sql("(array_agg(c.starts_on ORDER BY c.starts_on))[{}]", least)
    return sql("({}::timestamp AT TIME ZONE {})", day, str(ask.moment.zone))


def _worth(ask: Ask, first: date) -> Sql:
    """What a contract c is worth a year: by its latest amendment that has begun, else as agreed at its start."""
    known = sql(" AND m.recorded_at < {}", ask.moment.known) if ask.moment.known else Sql("")
    return sql(
        """COALESCE((SELECT m.annual_value FROM audience_contractamendment m
                     WHERE m.contract_id = c.id AND m.valid_from < {}::date{}
                     ORDER BY m.valid_from DESC LIMIT 1), c.annual_value, 0)""",
        first,
        known,
    )


def _ended(ask: Ask, first: date) -> Sql:
    return sql("CASE WHEN c.ends_on < {}::date THEN c.ends_on END", first)


CONTRACT_FIGURES = (
    Figure("count", _("number of contracts in force"), "number", "count(*)",
           counted=ngettext_lazy("contract in force", "contracts in force")),
    Figure("annual_value", _("annual value of contracts in force"), "money", "sum({})", each=_worth),
    Figure("renews", _("next renewal of a contract"), "date", "min(c.renews_on)", coming="c.renews_on"),
    Figure("notice", _("next notice date of a contract"), "date", "min(c.notice_on)", coming="c.notice_on"),
    Figure("began", _("first contract began"), "date", "min(c.starts_on)", ever=True),
    Figure("ended", _("last contract ended"), "date", "max({})", each=_ended, ever=True),
)  # fmt: skip


def _contracts_touched(figure: Figure, ask: Ask, span: Span) -> list[Sql]:
    first, last = not_begun(span.since), not_begun(span.until)
    days = ["c.starts_on", "c.ends_on"]
    when = [sql(f"({day} >= {{}}::date AND {day} < {{}}::date)", first, last) for day in days]
    if figure.coming:
        # A renewal that is past is no longer the next.
        crosses = span.day_crosses(Sql(figure.coming), (1, *ask.operator.ages(ask.operand)))
        when += [crosses] if crosses else []
    elif ask.operator.timed:
        for day in days:
            crosses = span.day_crosses(Sql(day), ask.operator.ages(ask.operand))
            when += [crosses] if crosses else []
    pieces = [sql("SELECT c.subject_id FROM {} c WHERE {}", dates(), join(" OR ", when)), changed(span)]
    if figure.type == "money":
        pieces.append(
            sql(
                "SELECT c.subject_id FROM audience_contract c "
                "JOIN audience_contractamendment m ON m.contract_id = c.id WHERE m.valid_from >= {}::date "
                "AND m.valid_from < {}::date",
                first,
                last,
            )
        )
    return pieces


# ---- consent ----


def _topics() -> Iterable[Field]:
    """For each topic: the latest that somebody said of it, or of all topics; unknown for whoever was never asked."""
    for each in Topic.objects.order_by("slug"):
        yield Field(
            f"consent.{each.slug}",
            _("agreed to mail about “%(topic)s”") % {"topic": each.label},
            "yes_no",
            PERSON,
            Relation(
                lambda ask, pk=each.pk: _said(pk, ask),  # type: ignore[misc]
                lambda ask, span, pk=each.pk: _said_within(pk, span),  # type: ignore[misc]
            ),
            group=ABOUT_CONSENT,
        )


def _said(topic: int, ask: Ask) -> Sql:
    return sql(
        """SELECT DISTINCT ON (c.subject_id) c.subject_id, c.given AS value, c.occurred_at AS evidence
           FROM audience_consentrecord c
           WHERE c.channel = {} AND (c.topic_id IS NULL OR c.topic_id = {}) AND {}{} AND c.reversal_of_id IS NULL
             AND NOT EXISTS (SELECT FROM audience_consentrecord r WHERE r.reversal_of_id = c.id AND {})
           ORDER BY c.subject_id DESC, c.occurred_at DESC, c.id DESC""",
        consent.EMAIL,
        topic,
        ask.moment.counts("c"),
        ask.only("c.subject_id"),
        ask.moment.counts("r"),
    )


def _said_within(topic: int, span: Span) -> list[Sql]:
    """A correction speaks of the topic of what it corrects."""
    return [
        sql(
            "SELECT c.subject_id FROM audience_consentrecord c WHERE (c.topic_id IS NULL OR c.topic_id = {}) AND {}",
            topic,
            span.within("c.occurred_at"),
        )
    ]
