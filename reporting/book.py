"""The customers' book: whoever has a contract in force, what it is worth, when its term ends, and what is amiss.

A customer is an account that itself, or one of whose people, has a contract in force today: begun, and not ended.
All is read from the contracts as they are today, in a few statements for whole sets of accounts; the order of the list
is found among these sums, so that no page looks at accounts one by one. (Each page adds all of them up anew.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import IntegerField, QuerySet, TextChoices
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from audience.asked import terms
from audience.commerce import contracts, rates
from audience.models import Account
from audience.subjects import sight
from kit import installation, pages
from kit.pages import paging
from kit.sql import Sql, dicts, join, rows, sql
from lifecycle import querysets
from lifecycle.models import Lifecycle, Membership
from reporting.metrics import recurring
from scoring.models import Score

WINDOWS = contracts.WINDOWS
SORTS = ("due_on", "notice_on", "value")  # what the list can be sorted by besides its own columns
NOTICE_DAYS, CASE_DAYS = 14, 7


class Signal(TextChoices):
    """What is amiss with a customer, or soon will be."""

    PASSED = "passed", _("Renewal passed")
    ENDING = "ending", _("Is to end")
    NOTICE = "notice", _("Notice date near")
    CASE = "case", _("Case open for a week")


@dataclass(frozen=True)
class Customer:
    """What the book says of one account. `value` is what its contracts in force are worth a year, in minor units of
    the installation's currency, as far as there are exchange rates; `untold` of them have none."""

    currency: str
    contracts: int = 0
    value: int = 0
    untold: int = 0
    due_on: date | None = None
    days_left: int | None = None
    by_itself: bool = False
    notice_on: date | None = None
    passed_on: date | None = None
    ending_on: date | None = None
    open_cases: int = 0
    oldest_case_at: datetime | None = None
    signals: Sequence[Signal] = ()
    stages: Sequence[Membership] = ()
    scores: Sequence[Score] = ()

    @property
    def days_late(self) -> int:
        """How many days ago its term ended, where it has."""
        return max(-self.days_left, 0) if self.days_left is not None else 0


@dataclass(frozen=True)
class Tally:
    """How many customers, and what of their contracts is meant, in minor units."""

    customers: int
    value: int


@dataclass(frozen=True)
class Owned:
    """The part of the book that one user looks after; nobody's where `owner` is None."""

    owner: int | None
    name: str
    all: Tally
    soon: Tally
    signals: dict[Signal, int] = field(default_factory=dict)


# ---- who is in it ----


def customers(now: datetime) -> QuerySet[Account]:
    """The accounts of the book: known, and not left out of figures."""
    within = sql("SELECT told.customer FROM ({}) told", _in_force(_today(now)))
    return Account.objects.filter(pk__in=_raw(within), erased_at=None, is_excluded=False).select_related("owner")


def due_within(found: QuerySet[Account], days: int, now: datetime) -> QuerySet[Account]:
    """Those of whom a term ends from today on, within so many days."""
    today = _today(now)
    soon = sql("told.next_end < {}::date", today + timedelta(days=days))
    return found.filter(pk__in=_raw(sql("SELECT told.customer FROM ({}) told WHERE {}", _in_force(today), soon)))


def with_signal(found: QuerySet[Account], signal: str, now: datetime) -> QuerySet[Account]:
    """Those with a signal."""
    return found.filter(pk__in=_raw(_signalled(Signal(signal), now)))


def in_stage(found: QuerySet[Account], lifecycle: str, stage: str | None = None) -> QuerySet[Account]:
    """Those who are in a lifecycle now, in this stage of it or in any, in whatever version of it."""
    there = _memberships().filter(lifecycle__slug=lifecycle)
    if stage is not None:
        there = there.filter(stage__slug=stage)
    return found.filter(pk__in=there.values("account"))


# ---- its order ----


def page(
    found: QuerySet[Account], *, sort: str, size: int, after: Any = None, before: Any = None, now: datetime
) -> paging.Page:
    """A page of the list, by its own sums where `sort` is one of SORTS."""

    def keys(rows_: QuerySet[Account], by: str, most: int, place: Any, backwards: bool) -> list[tuple[int, Any]]:
        if by.removeprefix("-") not in SORTS:
            return paging.keys_of(rows_, by, most, place, backwards)
        return _keys(rows_, by, now, most=most, place=place, backwards=backwards)

    return paging.page_of(found, sort=sort, size=size, after=after, before=before, keys=keys)


def ordered(found: QuerySet[Account], sort: str, now: datetime) -> QuerySet[Account]:
    """All of them in the order of the list."""
    if sort.removeprefix("-") not in SORTS:
        return pages.ordered(found, sort)
    places = sorted((pk, place) for place, (pk, _value) in enumerate(_keys(found, sort, now)))
    by = RawSQL(  # noqa: S611 - values are bound
        "(%s::int[])[width_bucket(audience_account.id, %s::bigint[])]",
        ([place for _pk, place in places], [pk for pk, _place in places]), output_field=IntegerField(),
    )  # fmt: skip
    return found.annotate(place_in_list=by).order_by("place_in_list")


def _keys(
    found: QuerySet[Account], sort: str, now: datetime, *, most: int | None = None, place: Any = None,
    backwards: bool = False,
) -> list[tuple[int, Any]]:  # fmt: skip
    """The keys with their sort values, as `paging` asks for them: those without a value behind all others."""
    name, falls = sort.removeprefix("-"), sort.startswith("-") != backwards
    way, beyond = ("DESC", Sql("<")) if falls else ("ASC", Sql(">"))
    chosen = found.order_by().values("pk").query.sql_with_params()
    clause = Sql("true")
    if place is not None and place.value is None:
        clause = sql("told.value IS NULL AND told.id {} {}", beyond, place.pk)
        if backwards:
            clause = sql("(told.value IS NOT NULL OR {})", clause)
    elif place is not None:
        clause = sql("(told.value, told.id) {} ({}, {}::bigint)", beyond, place.value, place.pk)
        if not backwards:
            clause = sql("(told.value IS NULL OR {})", clause)
    return rows(
        sql(
            f"""SELECT told.id, told.value FROM (
                    SELECT summed.id, summed.{name} AS value FROM ({{}}) summed
                    JOIN ({{}}) chosen (id) ON chosen.id = summed.id
                ) told WHERE {{}} ORDER BY told.value IS NULL {"DESC" if backwards else "ASC"},
                told.value {way}, told.id {way} LIMIT {{}}""",
            _summed(_today(now)), Sql(*chosen), clause, most,
        )
    )  # fmt: skip


# ---- what it says of some of them ----


def of(ids: Sequence[int], now: datetime) -> dict[int, Customer]:
    """What the book says of these accounts, in four statements whatever their number."""
    today = _today(now)
    stages: dict[int, list[Membership]] = {pk: [] for pk in ids}
    for each in _memberships().filter(account__in=ids).select_related("lifecycle", "stage").order_by("lifecycle__name"):
        stages[each.account_id or 0].append(each)
    scores: dict[int, list[Score]] = {pk: [] for pk in ids}
    for score in Score.objects.filter(account__in=ids).select_related("model").order_by("model__name"):
        scores[score.account_id or 0].append(score)
    cases = {row.pop("customer"): row for row in dicts(_cases(now, ids))}
    told = {row.pop("id"): row for row in dicts(_summed(today, ids))}
    currency = rates.own()
    return {
        pk: Customer(
            currency, **told.get(pk, {}), **cases.get(pk, {}), stages=stages[pk], scores=scores[pk],
            **_judged(told.get(pk, {}) | cases.get(pk, {}), today, now),
        )
        for pk in ids
    }  # fmt: skip


def _judged(known: dict[str, Any], today: date, now: datetime) -> dict[str, Any]:
    """How many days are left, and what is amiss."""
    found = {
        Signal.PASSED: known.get("passed_on"),
        Signal.ENDING: known.get("ending_on"),
        Signal.NOTICE: (on := known.get("notice_on")) and on < today + timedelta(days=NOTICE_DAYS),
        Signal.CASE: (at := known.get("oldest_case_at")) and at <= now - timedelta(days=CASE_DAYS),
    }
    due_on = known.get("due_on")
    return {
        "days_left": (due_on - today).days if due_on else None,
        "signals": [signal for signal, is_so in found.items() if is_so],
    }


# ---- what it adds up to ----


@dataclass(frozen=True)
class Sums:
    """The whole of the book that somebody sees, and its parts; `owners` by how much they look after."""

    all: Tally
    within: dict[int, Tally]
    signals: dict[Signal, Tally]
    owners: Sequence[Owned]
    untold: int


def sums(user: Any, now: datetime) -> Sums:
    """How many customers, and what their contracts are worth a year, of those that a user sees; one statement.

    Of a window it is the contracts whose term ends in it that are added up, of anything else all contracts in force of
    whom it is said.
    """
    today = _today(now)
    counted: list[Sql] = []
    for days in WINDOWS:
        soon = sql("next_end < {}::date", today + timedelta(days=days))
        counted += [sql("count(DISTINCT customer) FILTER (WHERE {})", soon), sql("sum(value) FILTER (WHERE {})", soon)]
    for signal in Signal:
        is_so = Sql(f"is_{signal.value}")
        counted += [
            sql("count(DISTINCT customer) FILTER (WHERE {})", is_so),
            sql("sum(value) FILTER (WHERE {})", is_so),
        ]
    marked = [sql("{}.customer IS NOT NULL AS is_{}", Sql(f"s_{signal.value}"), Sql(signal.value)) for signal in Signal]
    joined = [
        sql(f"LEFT JOIN ({{}}) s_{signal.value} ON s_{signal.value}.customer = told.customer",
            _signalled(signal, now, Sql("SELECT * FROM in_force")))
        for signal in Signal
    ]  # fmt: skip
    found = rows(
        sql(
            """
            WITH in_force AS MATERIALIZED ({})
            SELECT owner_id, owner_name, GROUPING(owner_id) AS is_total, count(DISTINCT customer), sum(value),
                   count(*) FILTER (WHERE NOT is_known), {}
            FROM (
                SELECT told.*, account.owner_id, coalesce(nullif(owner.name, ''), owner.email, '') AS owner_name, {}
                FROM in_force told JOIN audience_account account ON account.id = told.customer
                LEFT JOIN kit_user owner ON owner.id = account.owner_id {}
                WHERE account.erased_at IS NULL AND NOT account.is_excluded AND {}
            ) book GROUP BY GROUPING SETS ((), (owner_id, owner_name))
            """,
            _in_force(today), join(", ", counted), join(", ", marked), join(" ", joined),
            sight.clause(user, Sql("account.id")),
        )
    )  # fmt: skip
    total: Sums | None = None
    owners: list[Owned] = []
    for owner, name, is_total, count, value, untold, *more in found:
        tallies = [Tally(*(int(each or 0) for each in more[at : at + 2])) for at in range(0, len(more), 2)]
        within = dict(zip(WINDOWS, tallies, strict=False))
        signals = dict(zip(Signal, tallies[len(WINDOWS) :], strict=True))
        whole = Tally(count, int(value or 0))
        if is_total:
            total = Sums(whole, within, signals, owners, untold)
        else:
            counts = {signal: told.customers for signal, told in signals.items()}
            owners.append(Owned(owner, name, whole, within[WINDOWS[-1]], counts))
    owners.sort(key=lambda each: (-each.all.value, -each.all.customers, each.name))
    assert total is not None
    return total


# ---- the statements ----


def _in_force(today: date, ids: Sequence[int] | None = None) -> Sql:
    """Every contract in force, as `told`: whose, what it is worth a year, when its term ends, by when notice is given.

    With `ids` only those of these accounts, found by their index.
    """
    whose = Sql("true")
    if ids is not None:
        whose = sql(
            """contract.subject_id IN (SELECT unnest({}::bigint[]) UNION ALL
                                       SELECT p.id FROM audience_person p WHERE p.account_id = ANY ({}::bigint[]))""",
            list(ids), list(ids),
        )  # fmt: skip
    own = rates.own()
    return sql(
        """SELECT coalesce(contract.account_id, buyer.account_id) AS customer, {} AS value,
                  (contract.annual_value IS NULL OR {}) AS is_known,
                  (SELECT min(term.day) FROM {} WHERE term.day >= {}::date) AS next_end,
                  CASE WHEN c.ends_on IS NULL AND c.notice_on >= {}::date THEN c.notice_on END AS notice_on,
                  CASE WHEN c.ends_on IS NULL AND NOT c.auto_renew AND c.renews_on < {}::date THEN c.renews_on END
                      AS passed_on,
                  c.ends_on AS ending_on, c.auto_renew AND c.ends_on IS NULL AS by_itself
           FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
           CROSS JOIN LATERAL (SELECT contract.*, contract.renews_on AS first_on) c
           WHERE contract.starts_on <= {}::date AND (contract.ends_on IS NULL OR contract.ends_on > {}::date)
             AND coalesce(contract.account_id, buyer.account_id) IS NOT NULL AND {}""",
        recurring.worth(sql("{}::date", today + timedelta(days=1)), own),
        rates.is_known(Sql("contract.currency"), Sql("contract.starts_on"), own),
        terms.ends_of_terms(today.year + 1), today, today, today, today, today, whose,
    )  # fmt: skip


def _summed(today: date, ids: Sequence[int] | None = None) -> Sql:
    """The same, added up by account: `due_on` is the next end of a term, or the first renewal that passed undone."""
    return sql(
        """SELECT customer AS id, count(*)::int AS contracts, coalesce(sum(value), 0)::bigint AS value,
                  (count(*) FILTER (WHERE NOT is_known))::int AS untold,
                  least(min(passed_on), min(next_end)) AS due_on, min(notice_on) AS notice_on,
                  min(passed_on) AS passed_on, min(ending_on) AS ending_on, bool_and(by_itself) AS by_itself
           FROM ({}) told GROUP BY customer""",
        _in_force(today, ids),
    )


def _cases(now: datetime, ids: Sequence[int] | None = None) -> Sql:
    """The open cases by account: `customer, open_cases, oldest_case_at`."""
    whose = Sql("true")
    if ids is not None:
        whose = sql(
            """k.subject_id IN (SELECT unnest({}::bigint[]) UNION ALL
                                SELECT p.id FROM audience_person p WHERE p.account_id = ANY ({}::bigint[]))""",
            list(ids), list(ids),
        )  # fmt: skip
    return sql(
        """SELECT coalesce(k.account_id, p.account_id) AS customer, count(*)::int AS open_cases,
                  min(k.opened_at) AS oldest_case_at
           FROM audience_case k LEFT JOIN audience_person p ON p.id = k.person_id
           WHERE k.closed_at IS NULL AND k.opened_at <= {} AND {} GROUP BY 1""",
        now,
        whose,
    )


def _signalled(signal: Signal, now: datetime, in_force: Sql | None = None) -> Sql:
    """The accounts of whom a signal is said, each once, as `customer`; `in_force` where those contracts are at hand."""
    today = _today(now)
    if signal == Signal.CASE:
        late = sql("told.oldest_case_at <= {}", now - timedelta(days=CASE_DAYS))
        return sql("SELECT told.customer FROM ({}) told WHERE told.customer IS NOT NULL AND {}", _cases(now), late)
    clause = {
        Signal.PASSED: Sql("told.passed_on IS NOT NULL"),
        Signal.ENDING: Sql("told.ending_on IS NOT NULL"),
        Signal.NOTICE: sql("told.notice_on < {}::date", today + timedelta(days=NOTICE_DAYS)),
    }[signal]
    return sql("SELECT DISTINCT told.customer FROM ({}) told WHERE {}", in_force or _in_force(today), clause)


def _memberships() -> QuerySet[Membership]:
    """The passes of accounts through lifecycles of customers that are under way."""
    there = querysets.that_count().filter(lifecycle__species=Lifecycle.Species.CUSTOMER, account__isnull=False)
    return there.filter(ended_at=None, stage__isnull=False)


def _today(now: datetime) -> date:
    return now.astimezone(installation.zone()).date()


def _raw(statement: Sql) -> RawSQL:
    return RawSQL(statement.text, statement.params)  # noqa: S611 - values are bound
