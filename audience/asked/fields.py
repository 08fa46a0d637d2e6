"""What conditions may ask of people and accounts, their activities, purchases, deals and agreements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience.activity import kinds
from audience.asked import agreed, related
from audience.commerce import pipelines
from audience.conditions import facts
from audience.conditions.moment import Span
from audience.conditions.registry import (
    BOTH,
    PERSON,
    Aggregate,
    Ask,
    Column,
    Field,
    Relation,
    Where,
    register,
    register_family,
    register_kinds,
)
from audience.models import Activity, Deal, Segment
from audience.models import Field as CustomField
from kit.models import User
from kit.sql import Sql, join, sql

Text = str | Promise
Noun = Any  # lazy singular and plural, to which Django gives no type

OF_PERSON: tuple[tuple[str, Text, str, str], ...] = (
    ("email", _("email"), "text", "email"),
    ("first_name", _("first name"), "text", "first_name"),
    ("last_name", _("last name"), "text", "last_name"),
    ("phone", _("phone"), "text", "phone"),
    ("title", _("job title"), "text", "title"),
    ("title_group", _("title group"), "text", "title_group"),
    ("seniority", _("seniority"), "text", "seniority"),
    ("country", _("country"), "text", "country"),
    ("region", _("region"), "text", "region"),
    ("city", _("city"), "text", "city"),
    ("language", _("language"), "text", "language"),
    ("source", _("original source"), "text", "source"),
)
OF_ACCOUNT: tuple[tuple[str, Text, str, str], ...] = (
    ("name", _("account's name"), "text", "name"),
    ("domain", _("account's domain"), "text", "domain"),
    ("industry", _("account's industry"), "text", "industry"),
    ("employees", _("account's employees"), "number", "employees"),
    ("annual_revenue", _("account's annual revenue"), "money", "annual_revenue"),
    ("ownership", _("account's ownership"), "text", "ownership"),
    ("country", _("account's country"), "text", "country"),
    ("region", _("account's region"), "text", "region"),
    ("city", _("account's city"), "text", "city"),
)
ABOUT_PERSON = _("Person")
ABOUT_ACCOUNT = _("Account")
ABOUT_ACTIVITIES = _("Activities")
ABOUT_PURCHASES = _("Purchases")
ABOUT_DEALS = _("Deals")
ABOUT_CASES = _("Service cases")
ABOUT_SEGMENTS = _("Segments")

ACTIVITY_WHERE = (
    "kind", "channel", "platform", "direction", "actor", "source", "response", "engagement", "paid", "properties",
    *facts.DAYS,
)  # fmt: skip
TRUTH = ("true", "false")
ACTIVITY_CHOICES = {
    "direction": tuple(Activity.Direction.values), "actor": tuple(Activity.Actor.values),
    "response": TRUTH, "engagement": TRUTH, "paid": TRUTH,
}  # fmt: skip
PURCHASE_WHERE = ("product", "source", "currency", "properties", *facts.DAYS)
DEAL_WHERE = ("status", "pipeline", "stage", "product", "source", "currency", "properties", *facts.DAYS)
CASE_WHERE = ("status", "severity", "source", "properties", *facts.DAYS)
CASE_CHOICES = {"status": ("open", "closed")}
DEAL_CHOICES = {"status": tuple(Deal.Status.values)}


def register_all() -> None:
    """Make the fields of the audience known to the condition language."""
    register_kinds(kinds.labels)
    for slug, label, type, column in OF_PERSON:
        register(Field(f"person.{slug}", label, type, PERSON, Column("person", column, column), group=ABOUT_PERSON))
    register(
        Field(
            "person.created",
            _("first seen"),
            "instant",
            PERSON,
            Column("person", "first_seen_at", None),
            always=True,
            group=ABOUT_PERSON,
        )
    )
    register(
        Field(
            "person.is_excluded",
            _("left out of figures"),
            "yes_no",
            PERSON,
            Column("person", "is_excluded", "is_excluded"),
            always=True,
            group=ABOUT_PERSON,
        )
    )
    register(
        Field(
            "person.excluded_reason",
            _("left out because"),
            "text",
            PERSON,
            Column("person", "excluded_reason", "excluded_reason"),
            always=True,
            group=ABOUT_PERSON,
        )
    )
    register(
        Field(
            "person.has_account",
            _("has an account"),
            "yes_no",
            PERSON,
            Column("person", "account_id", "account", how="link"),
            always=True,
            group=ABOUT_PERSON,
        )
    )
    for slug, label, type, column in OF_ACCOUNT:
        register(Field(f"account.{slug}", label, type, BOTH, Column("account", column, column), group=ABOUT_ACCOUNT))
    register(
        Field(
            "account.created",
            _("account first seen"),
            "instant",
            BOTH,
            Column("account", "first_seen_at", None),
            group=ABOUT_ACCOUNT,
        )
    )
    register(
        Field(
            "account.is_excluded",
            _("account left out of figures"),
            "yes_no",
            BOTH,
            Column("account", "is_excluded", "is_excluded"),
            group=ABOUT_ACCOUNT,
        )
    )
    register_family("person.owner", lambda: _owner("person", _("owner"), ABOUT_PERSON))
    register_family("account.owner", lambda: _owner("account", _("account's owner"), ABOUT_ACCOUNT))
    register(
        Field(
            "account.excluded_reason",
            _("account left out because"),
            "text",
            BOTH,
            Column("account", "excluded_reason", "excluded_reason"),
            group=ABOUT_ACCOUNT,
        )
    )
    register_family("person.custom.", lambda: _custom("person"))
    register_family("account.custom.", lambda: _custom("account"))
    _register_activities()
    _register_purchases()
    _register_deals()
    agreed.register_all()
    related.register_all()
    _register_cases()
    register_family("segment.", _segments)


def _owner(of: str, label: Text, group: Text) -> Iterable[Field]:
    users = tuple((user.email, str(user)) for user in User.objects.order_by("name", "email"))
    yield Field(
        f"{of}.owner", label, "choice", PERSON if of == "person" else BOTH,
        Column(of, "owner_id", "owner", how="user"), choices=users, group=group,
    )  # fmt: skip


def _custom(of: str) -> Iterable[Field]:
    for each in CustomField.objects.filter(of=of).order_by("slug"):
        yield Field(
            f"{of}.custom.{each.slug}",
            each.label,
            "set" if each.type == CustomField.Type.SEVERAL else each.type,
            PERSON if of == "person" else BOTH,
            Column(of, each.slug, f"custom.{each.slug}", how="custom", indexed=each.searchable),
            choices=tuple(each.labelled()),
            hidden=each.hidden,
            group=ABOUT_PERSON if of == "person" else ABOUT_ACCOUNT,
        )


def _register_activities() -> None:
    figures: tuple[tuple[str, Text, str, Noun | None], ...] = (
        ("count", _("number of activities"), "number", ngettext_lazy("activity", "activities")),
        ("days_since_last", _("days since the last activity"), "number", None),
        ("first", _("first activity"), "instant", None),
        ("last", _("last activity"), "instant", None),
        ("sum", _("sum of the activities' values"), "number", None),
        ("change", _("activities more than before"), "number", None),
        ("intent", _("intent shown by activities"), "number", None),
    )
    for function, label, type, counted in figures:
        register(
            Field(
                f"activity.{function}",
                label,
                type,
                BOTH,
                Aggregate(function),
                where=ACTIVITY_WHERE,
                where_choices=ACTIVITY_CHOICES,
                windowed=True,
                needs_days=function == "change",
                zero=function in ("count", "sum", "intent", "change"),
                timed=function == "days_since_last",
                counted=counted,
                group=ABOUT_ACTIVITIES,
            )
        )


# What both purchases and deals need: facts with a date, of which some count, and figures over those that do.


def _figures(ask: Ask, subject: Sql, source: Sql, rows: list[Sql], figure: str, date: str) -> Sql:
    """Per subject the figure, and the date of the fact that decides: the nth for “at least n”, else the latest."""
    least = ask.operator.least(ask.operand)
    if not ask.evidence:
        evidence = Sql("NULL::timestamptz")
    elif figure != "count(*)":
        evidence = Sql(f"max({date})")
    elif least and least > 0:
        evidence = sql(f"(array_agg({date} ORDER BY {date}))[{{}}]", least)
    else:
        evidence = Sql("NULL::timestamptz")
    return sql(
        "SELECT {} AS subject_id, {} AS value, {} AS evidence FROM {} WHERE {} GROUP BY 1",
        subject,
        Sql(figure),
        evidence,
        source,
        join(" AND ", rows),
    )


def _register_purchases() -> None:
    figures: tuple[tuple[str, Text, str, str, Noun | None], ...] = (
        ("count", _("number of purchases"), "number", "count(*)", ngettext_lazy("purchase", "purchases")),
        ("sum", _("amount of purchases"), "money", "sum(b.amount)", None),
        ("last", _("last purchase"), "instant", "max(b.occurred_at)", None),
        ("first", _("first purchase"), "instant", "min(b.occurred_at)", None),
    )
    for slug, label, type, figure, counted in figures:
        register(
            Field(
                f"purchase.{slug}",
                label,
                type,
                BOTH,
                Relation(lambda ask, figure=figure: _purchases(ask, figure), _purchases_touched),  # type: ignore[misc]
                where=PURCHASE_WHERE,
                windowed=True,
                zero=slug in ("count", "sum"),
                counted=counted,
                group=ABOUT_PURCHASES,
            )
        )


def _purchase_narrowing(ask: Ask) -> list[Sql]:
    columns = {"source": "b.source", "currency": "b.currency", "properties": "b.properties"}
    columns |= dict.fromkeys(facts.DAYS, "b.occurred_at")
    return facts.product(ask, "b.product_id") + facts.narrowing(ask.where, columns)


def _purchases(ask: Ask, figure: str) -> Sql:
    rows = [sql("{}{}{}", ask.moment.counts("b"), ask.in_window("b.occurred_at"), ask.only("b.subject_id"))]
    rows += _purchase_narrowing(ask)
    if figure.startswith("sum"):
        rows += facts.one_currency(ask, "b.currency")
    return _figures(ask, Sql("b.subject_id"), Sql("audience_purchase b"), rows, figure, "b.occurred_at")


def _purchases_touched(ask: Ask, span: Span) -> list[Sql]:
    return [
        sql("SELECT b.subject_id FROM audience_purchase b WHERE {}", when)
        for when in _date_matters(ask, span, "b.occurred_at")
    ]


def _date_matters(ask: Ask, span: Span, date: str) -> list[Sql]:
    """When a fact's date makes a difference between two instants: it happened, left the window, reached an age."""
    when = [span.within(date)]
    if ask.days is not None:
        when.append(span.leaves_window(date, ask.days))
    crosses = span.instant_crosses(date, ask.operator.ages(ask.operand)) if ask.operator.timed else None
    return [*when, crosses] if crosses else when


def _register_deals() -> None:
    figures: tuple[tuple[str, Text, str, str, Noun | None], ...] = (
        ("count", _("number of deals"), "number", "count(*)", ngettext_lazy("deal", "deals")),
        ("amount", _("amount of deals"), "money", "sum(d.amount)", None),
    )
    for slug, label, type, figure, counted in figures:
        register(
            Field(
                f"deal.{slug}",
                label,
                type,
                BOTH,
                Relation(lambda ask, figure=figure: _deals(ask, figure), _deals_touched),  # type: ignore[misc]
                where=DEAL_WHERE,
                where_choices=DEAL_CHOICES,
                windowed=True,
                zero=True,
                counted=counted,
                group=ABOUT_DEALS,
            )
        )


def _deals(ask: Ask, figure: str) -> Sql:
    """Deals as they then were: won or lost from their closing on (whenever opened), else open from their opening on."""
    columns = {
        "status": "d.status_then",
        "pipeline": "d.pipeline",
        "stage": "d.stage_then",
        "source": "d.source",
        "currency": "d.currency",
        "properties": "d.properties",
    } | dict.fromkeys(facts.DAYS, "d.fact_at")
    rows = [sql("d.status_then IS NOT NULL{}", ask.in_window("d.fact_at"))]
    rows += _with_product(ask) + facts.narrowing(_named_today(ask.where), columns)
    if figure.startswith("sum"):
        rows += facts.one_currency(ask, "d.currency")
    if ask.of == "person":
        people = sql(
            "(SELECT DISTINCT w.deal_id, w.person_id FROM audience_dealrole w WHERE true{})", ask.only("w.person_id")
        )
        source = sql("({}) d JOIN {} w ON w.deal_id = d.id", _deals_then(ask), people)
        return _figures(ask, Sql("w.person_id"), source, rows, figure, "d.fact_at")
    rows.append(Sql("d.account_id IS NOT NULL"))
    return _figures(ask, Sql("d.account_id"), sql("({}) d", _deals_then(ask)), rows, figure, "d.fact_at")


def _with_product(ask: Ask) -> list[Sql]:
    """Deals d of which a line was then of a product asked for; the deal counts once, with all of its amount."""
    wanted = facts.product(ask, "l.product_id")
    if not wanted:
        return []
    known = sql("l.recorded_at < {}", ask.moment.known) if ask.moment.known else Sql("true")
    return [
        sql(
            """d.id IN (SELECT l.deal_id FROM audience_dealline l WHERE (l.added_at IS NULL OR l.added_at < {})
                AND (l.removed_at IS NULL OR {}) AND {} AND {})""",
            ask.moment.at,
            ask.moment.later("l", "removed_at", "removed_at"),
            known,
            join(" AND ", wanted),
        )
    ]


def _named_today(where: Where) -> Where:
    """Pipelines and stages by the names that they have today: deals go by these, whatever they were called before."""
    if not {"pipeline", "stage"} & {key for key, _wanted in where}:
        return where
    known = pipelines.renamed()
    means = {"pipeline": lambda said: {known.pipeline(said)}, "stage": known.stages_called}
    return tuple(
        (key, tuple(sorted({name for said in wanted for name in means[key](said)})) if key in means else wanted)
        for key, wanted in where
    )


def _deals_then(ask: Ask) -> Sql:
    """Every deal as of the moment: amount, pipeline, stage, status (NULL when not there yet) and its date of fact."""
    moment = ask.moment
    known = sql("x.recorded_at < {}", moment.known) if moment.known else Sql("true")
    closed = sql("(x.status <> 'open' AND x.closed_at < {}{})", moment.at, _closing_known(ask))
    mine = Sql("")
    if ask.chosen and ask.of == "account":
        mine = sql("SELECT o.id FROM audience_deal o WHERE o.account_id IN ({})", ask.chosen)
    elif ask.chosen:
        mine = sql("SELECT o.deal_id FROM audience_dealrole o WHERE o.person_id IN ({})", ask.chosen)
    columns = ("x.id", "c.deal_id", "k.deal_id")
    only, of_mine, of_my = (sql(f" AND {column} IN ({{}})", mine) if mine else mine for column in columns)
    before = sql(
        "CASE WHEN {} THEN x.status WHEN h.status IN ('won', 'lost') THEN h.status "
        "WHEN x.opened_at < {} THEN 'open' END",
        closed,
        moment.at,
    )
    # Whoever asks what was known then is told nothing of history that a file brought since.
    told = sql("AND NOT (c.as_history AND c.recorded_at >= {})", moment.known) if moment.known else Sql("")
    later = moment.later("c")
    return sql(
        """SELECT x.id, x.account_id, x.source, x.properties,
                  CASE WHEN w.id IS NULL THEN x.amount ELSE w.amount END AS amount,
                  CASE WHEN w.id IS NULL THEN x.currency ELSE w.currency END AS currency,
                  CASE WHEN w.id IS NULL THEN x.pipeline ELSE w.pipeline END AS pipeline,
                  {} AS status_then,
                  COALESCE(h.stage, x.stage) AS stage_then,
                  CASE WHEN {} THEN x.closed_at
                       WHEN h.status IN ('won', 'lost') THEN COALESCE(h.changed_at, x.opened_at)
                       ELSE x.opened_at END AS fact_at
           FROM audience_deal x
           LEFT JOIN (
               -- The last change before the moment says it, else the first one after; without any after, the deal.
               SELECT k.deal_id, k.changed_at, CASE WHEN k.goes_on THEN COALESCE(k.to_stage, k.from_stage) END AS stage,
                      CASE WHEN k.goes_on THEN COALESCE(k.to_status, k.from_status) END AS status
               FROM (
                   SELECT c.deal_id, bool_or({}) AS goes_on,
                          (array_agg(c.to_stage ORDER BY c.occurred_at DESC, c.id DESC) FILTER (WHERE NOT ({})))[1]
                              AS to_stage,
                          (array_agg(c.to_status ORDER BY c.occurred_at DESC, c.id DESC) FILTER (WHERE NOT ({})))[1]
                              AS to_status,
                          (array_agg(c.from_status ORDER BY c.occurred_at, c.id) FILTER (WHERE {}))[1] AS from_status,
                          (array_agg(c.from_stage ORDER BY c.occurred_at, c.id) FILTER (WHERE {}))[1] AS from_stage,
                          max(c.occurred_at) FILTER (WHERE NOT ({}) AND c.from_status <> c.to_status) AS changed_at
                   FROM audience_dealstagechange c WHERE true{}{} GROUP BY c.deal_id) k) h ON h.deal_id = x.id
           LEFT JOIN (
               SELECT DISTINCT ON (k.deal_id) k.* FROM audience_dealchange k
               WHERE {}{} ORDER BY k.deal_id, k.changed_at, k.id) w ON w.deal_id = x.id
           WHERE {}{}""",
        before,
        closed,
        *[later] * 6,
        sql(" {}", told) if told else told,
        of_mine,
        moment.later("k", "changed_at", "changed_at"),
        of_my,
        known,
        only,
    )


def _closing_known(ask: Ask) -> Sql:
    """With two clocks, a closing counts when no change of the deal's status was recorded only later."""
    if ask.moment.known is None:
        return Sql("")
    return sql(
        " AND NOT EXISTS (SELECT FROM audience_dealstagechange k WHERE k.deal_id = x.id "
        "AND k.to_status = x.status AND k.from_status <> k.to_status AND NOT k.as_history AND k.recorded_at >= {})",
        ask.moment.known,
    )


def _deals_touched(ask: Ask, span: Span) -> list[Sql]:
    dated = _date_matters(ask, span, "d.opened_at") + _date_matters(ask, span, "d.closed_at")
    deals = sql(
        """SELECT d.id FROM audience_deal d WHERE {} UNION ALL SELECT c.deal_id FROM audience_dealstagechange c WHERE {}
           UNION ALL SELECT k.deal_id FROM audience_dealchange k WHERE {}
           UNION ALL SELECT l.deal_id FROM audience_dealline l WHERE {} OR {}""",
        join(" OR ", dated),
        join(" OR ", _date_matters(ask, span, "c.occurred_at")),
        *map(span.within, ("k.changed_at", "l.added_at", "l.removed_at")),
    )
    if ask.of == "person":
        return [sql("SELECT w.person_id FROM audience_dealrole w WHERE w.deal_id IN ({})", deals)]
    return [sql("SELECT d.account_id FROM audience_deal d WHERE d.id IN ({})", deals)]


# ---- service cases ----


def _register_cases() -> None:
    figures: tuple[tuple[str, Text, Any, bool, Noun | None], ...] = (
        ("count", _("number of service cases"), _cases, False, ngettext_lazy("service case", "service cases")),
        ("days_open", _("days that the oldest open service case is open"), _days_open, True, None),
    )
    for slug, label, answered, timed, counted in figures:
        register(
            Field(
                f"case.{slug}",
                label,
                "number",
                BOTH,
                Relation(answered, _cases_touched),
                where=("severity", "source", "properties") if timed else CASE_WHERE,
                where_choices={} if timed else CASE_CHOICES,
                windowed=not timed,
                zero=not timed,
                timed=timed,
                counted=counted,
                group=ABOUT_CASES,
            )
        )


def _cases_then(ask: Ask) -> tuple[Sql, list[Sql]]:
    """Every case that was there, with its status as of the moment, and what narrows them."""
    closed = sql("x.closed_at IS NOT NULL AND x.closed_at < {}", ask.moment.at)
    source = sql(
        "(SELECT x.*, CASE WHEN {} THEN 'closed' ELSE 'open' END AS status_then FROM audience_case x WHERE {}{}) c",
        closed,
        ask.moment.counts("x", "opened_at"),
        ask.only("x.subject_id"),
    )
    columns = {
        "status": "c.status_then", "severity": "c.severity", "source": "c.source", "properties": "c.properties",
    } | dict.fromkeys(facts.DAYS, "c.opened_at")  # fmt: skip
    return source, facts.narrowing(ask.where, columns)


def _cases(ask: Ask) -> Sql:
    source, rows = _cases_then(ask)
    rows = [sql("true{}", ask.in_window("c.opened_at")), *rows]
    return _figures(ask, Sql("c.subject_id"), source, rows, "count(*)", "c.opened_at")


def _days_open(ask: Ask) -> Sql:
    source, rows = _cases_then(ask)
    return sql(
        "SELECT c.subject_id, max({}) AS value, min(c.opened_at) AS evidence FROM {} WHERE {} GROUP BY 1",
        ask.moment.days_since(Sql("c.opened_at")),
        source,
        join(" AND ", [Sql("c.status_then = 'open'"), *rows]),
    )


def _cases_touched(ask: Ask, span: Span) -> list[Sql]:
    when = [*_date_matters(ask, span, "c.opened_at"), span.within("c.closed_at")]
    if crosses := span.instant_crosses("c.opened_at", ask.operator.ages(ask.operand)):
        when.append(crosses)
    return [sql("SELECT c.subject_id FROM audience_case c WHERE {}", each) for each in when]


# ---- segments ----


def _segments() -> Iterable[Field]:
    """Whether a subject is in a segment: by the segment's members of that time, whatever its condition says today."""
    for each in Segment.objects.order_by("name"):
        yield Field(
            f"segment.{each.slug}",
            _("in the segment “%(segment)s”") % {"segment": each.name},
            "yes_no",
            frozenset({each.of}),
            Relation(
                lambda ask, pk=each.pk: _members(pk, ask),  # type: ignore[misc]
                lambda ask, span, pk=each.pk: _members_touched(pk, span),  # type: ignore[misc]
                read=lambda alias, ask: Sql(f"COALESCE({alias}.value, false)"),
            ),
            always=True,
            group=ABOUT_SEGMENTS,
        )


def _members(segment: int, ask: Ask) -> Sql:
    return sql(
        "SELECT m.subject_id, true AS value, max(m.entered_at) AS evidence FROM audience_segmentmember m "
        "WHERE m.segment_id = {} AND {} AND (m.left_at IS NULL OR {}){} GROUP BY 1",
        segment,
        ask.moment.counts("m", "entered_at", "entered_at"),
        ask.moment.later("m", "left_at", "left_at"),
        ask.only("m.subject_id"),
    )


def _members_touched(segment: int, span: Span) -> list[Sql]:
    return [
        sql(
            "SELECT m.subject_id FROM audience_segmentmember m WHERE m.segment_id = {} AND {}",
            segment,
            span.within(f"m.{column}"),
        )
        for column in ("entered_at", "left_at")
    ]
