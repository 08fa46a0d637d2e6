"""Hand-offs in words: why it is this receiver, how much time is left, who it is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions.tree import ConditionError
from audience.models import Account
from kit import writing
from kit.sql import Sql, rows, sql
from lifecycle.editions import handing
from lifecycle.engine import sla
from lifecycle.handoffs import routing
from lifecycle.models import Handoff, Lifecycle, RoutingRule

Via = Handoff.Via


def by_stage(lifecycle: Lifecycle, document: dict[str, Any]) -> dict[str, list[str]]:
    """Of each stage of a document that is handed to sales: to whom by the lifecycle's rules, and what answers do."""
    told = {each["slug"]: handing.sentences(each, document["stages"]) for each in document["stages"]}
    if not any(told.values()):
        return {}
    whom = "; ".join(_receiver(rule) for rule in routing.rules_of(lifecycle))
    offered = _("Offered to whom the first of these finds: %(whom)s.") % {"whom": whom}
    return {slug: [offered, *lines] for slug, lines in told.items() if lines}


def _receiver(rule: RoutingRule) -> str:
    try:
        meant = routing.sentence(rule)
    except ConditionError as error:
        meant = error.message
    return f"{rule} ({meant})" if meant else str(rule)


def why(handoff: Handoff) -> str:
    """Why it is offered to this receiver, in a sentence."""
    if handoff.routed_at is None:
        return _("A receiver is being looked for.")
    names = {"team": handoff.team or _("the team"), "rule": handoff.rule_words}
    told = {
        Via.DEAL_OWNER: _("Owns an open deal with them."),
        Via.ACCOUNT_OWNER: _("Owns their account."),
        Via.PERSON_OWNER: _("Owns them."),
        Via.USER: _("Gets those of this rule."),
        Via.TEAM: _("Next in turn in %(team)s.") if handoff.user_id else _("Nobody of %(team)s was free."),
        Via.RETURNED: _("Had them before."),
        Via.HAND: _("Passed on by a colleague."),
        Via.NOBODY: _("No rule found anybody."),
    }
    said = told[Via(handoff.via)] % names if handoff.via else ""
    if handoff.stands_for_id:
        said = _("Stands in for %(user)s. %(why)s") % {"user": handoff.stands_for or _("a colleague"), "why": said}
    return f"{said} {_('For: %(rule)s.') % names}" if handoff.rule_words else said


def describe_time(handoffs: Iterable[Handoff], now: datetime) -> None:
    """Give each open one `left`: the working time until it is due, as a timedelta; negative when it is over.

    On the calendar of its stage, one statement for all. None where there is no limit.
    """
    limited = [(each, each.due_at) for each in handoffs if each.due_at]
    spans = (
        _worked([(each.pk, each.stage.calendar, min(now, due), max(now, due)) for each, due in limited])
        if limited
        else {}
    )
    for each, due in limited:
        each.left = spans[each.pk] if due >= now else -spans[each.pk]  # type: ignore[attr-defined]


def _worked(spans: list[tuple[int, str, datetime, datetime]]) -> dict[int, timedelta]:
    """How much of a working calendar lies between two instants, of each."""
    ids, named, begins, ends = zip(*spans, strict=True)
    statement = sql(
        """WITH span AS MATERIALIZED (
               SELECT * FROM unnest({}::bigint[], {}::text[], {}::timestamptz[], {}::timestamptz[])
               span (id, named, begins, ends)),
           calendar AS MATERIALIZED ({})
           SELECT id, {} - {} FROM span JOIN calendar USING (named)""",
        list(ids),
        list(named),
        list(begins),
        list(ends),
        sla.calendars(Sql("span"), first=Sql("min(begins)"), last=Sql("max(ends)"), hours=Sql("1")),
        sla.worked(Sql("span.ends")),
        sla.worked(Sql("span.begins")),
    )
    return {pk: timedelta(microseconds=int(length)) for pk, length in rows(statement)}


def left(handoff: Handoff) -> str:
    """The time left in words: “3 h 20 min left”, “2 days late”; "" without a limit."""
    told: timedelta | None = getattr(handoff, "left", None)
    if told is None:
        return ""
    if abs(told) < timedelta(minutes=1):
        return _("late") if handoff.missed_at else _("due now")
    if told < timedelta(0) or handoff.missed_at:
        return _("%(span)s late") % {"span": hours(abs(told))}
    return _("%(span)s left") % {"span": hours(told)}


def hours(length: timedelta) -> str:
    """Working time in hours and minutes: a working day is not one of 24 hours."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return _("%(minutes)s min") % {"minutes": minutes}
    places = 1 if minutes < 600 and minutes % 60 else 0
    return _("%(hours)s working h") % {"hours": writing.number(minutes / 60, places)}


def person_of(handoff: Handoff) -> str:
    """Whom it is about: the name, and the account of a person."""
    subject = handoff.membership.subject
    account = getattr(subject, "account", None)
    return f"{subject}, {account}" if account else str(subject)


def account_of(handoff: Handoff) -> str:
    """Where they work, for a list that names nobody."""
    subject = handoff.membership.subject
    account = subject if isinstance(subject, Account) else getattr(subject, "account", None)
    return str(account or _("Somebody without an account"))
