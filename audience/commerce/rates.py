"""Exchange rates: what a unit of a currency was worth on a day; and amounts told in one currency by them.

An amount is converted at the latest rate on or before its own day, to whole minor units, row by row; so sums add up.
An amount without such a rate stays apart, in its own currency. A rate that is told again is a row of its own: what was
known before an instant (`known`) are the rows recorded before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.models import ExchangeRate
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, installation, money, writing
from kit.models import User
from kit.sql import Sql, rows, run, sql

LARGEST, SMALLEST = Decimal(10) ** 6, Decimal(1).scaleb(-9)
MOST = 9 * 10**18  # what an amount may come to; beyond that it has no amount here
SUMS = (4, 6, 8)  # of the columns of `added`, which the database adds up as numbers of any size
DIGITS = 12  # of a rate behind the point


@dataclass(frozen=True)
class Added:
    """Amounts of one currency in one bucket: `total` is those that are in `into`, by their rates; the rest is apart.

    All amounts are in minor units. `count` is of all rows, `known` of those with an amount.
    """

    bucket: str
    currency: str
    count: int
    known: int
    total: int
    converted: int
    original: int
    apart: int
    left: int
    lowest: Decimal | None
    highest: Decimal | None
    first: date | None
    last: date | None


@dataclass(frozen=True)
class Sum:
    """What several amounts add up to in one currency, as far as there are rates."""

    into: str
    parts: Sequence[Added]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(each.count for each in self.parts)

    @property
    def unknown(self) -> int:
        """How many of them have no amount."""
        return sum(each.count - each.known for each in self.parts)

    @property
    def total(self) -> int:
        """What is in the currency, with what was converted."""
        return sum(each.total for each in self.parts)

    @property
    def sums(self) -> dict[str, int]:
        """The same, and what stands apart, by currency."""
        found: defaultdict[str, int] = defaultdict(int)
        for each in self.parts:
            if each.known > each.apart:
                found[self.into] += each.total
            if each.apart:
                found[each.currency] += each.left
        return dict(sorted(found.items(), key=lambda one: (one[0] != self.into, one[0])))

    @property
    def apart(self) -> int:
        """How many amounts have no rate."""
        return sum(each.apart for each in self.parts if each.currency)

    def of(self, bucket: str) -> Sum:
        """What is in one bucket."""
        return Sum(self.into, [each for each in self.parts if each.bucket == bucket])

    def words(self) -> list[str]:
        """What was converted, at which rates, and what was not; currency by currency."""
        found: defaultdict[str, list[Added]] = defaultdict(list)
        for each in self.parts:
            if each.currency:
                found[each.currency].append(each)
        return [line for currency, parts in sorted(found.items()) for line in _words(currency, self.into, parts)]


# ---- telling rates ----


@transaction.atomic
def tell(
    currency: str, day: date, rate: Decimal | None, *, source: str = BY_HAND, by: User | None, now: datetime
) -> bool:
    """What one unit of a currency is worth in the installation's on a day; None takes the day's rate back.

    False when it was known so. Raises BadValue.
    """
    currency, into = str(currency).strip().upper(), own()
    _check(currency, into, day, rate)
    held = current().filter(currency=currency, day=day).first()
    if (held.rate if held else None) == rate:
        return False
    write(sql("SELECT {}::varchar AS currency, {}::date AS day, {}::numeric AS rate", currency, day, rate),
          source=source, now=now)  # fmt: skip
    before = {"rate": str(held.rate.normalize())} if held and held.rate else {}
    after = {"day": day.isoformat(), "rate": f"{rate:f}" if rate is not None else None}
    audit.record("rate.tell", currency, by=by, now=now, before=before, after=after)
    return True


def write(relation: Sql, *, source: str, now: datetime) -> int:
    """Write rates down: a relation of `currency`, `day`, `rate` (NULL takes it back). How many."""
    into = own()
    return run(
        sql(
            """
            INSERT INTO audience_exchangerate (currency, "into", day, rate, factor, source, recorded_at)
            SELECT currency, {}, day, rate, rate * power(10::numeric, ({} - {})::numeric), {}, {} FROM ({}) told
            """,
            into, Sql(str(money.places(into))), _places(Sql("currency")), source, now, relation,
        )
    )  # fmt: skip


def own() -> str:
    """The installation's currency, in which reports are."""
    return str(installation.get("currency"))


def current(known: datetime | None = None) -> QuerySet[ExchangeRate]:
    """The rates into the installation's currency that count: the last told of each day; with `known` as known then."""
    told = ExchangeRate.objects.filter(into=own())
    later = ExchangeRate.objects.filter(into=OuterRef("into"), currency=OuterRef("currency"), day=OuterRef("day"))
    later = later.filter(
        Q(recorded_at__gt=OuterRef("recorded_at")) | Q(recorded_at=OuterRef("recorded_at"), pk__gt=OuterRef("pk"))
    )
    if known is not None:
        told, later = told.filter(recorded_at__lt=known), later.filter(recorded_at__lt=known)
    return told.filter(~Exists(later), rate__isnull=False)


# ---- amounts ----


def on(currency: Sql, day: Sql, into: str, known: datetime | None = None, column: str = "factor") -> Sql:
    """A column of the rate that holds for a currency on a day: the latest on or before it; NULL without one."""
    until = sql(" AND {}.recorded_at < {}", Sql("rate"), known) if known else Sql("")
    later = sql(" AND {}.recorded_at < {}", Sql("later"), known) if known else Sql("")
    return sql(
        f"""(SELECT rate.{column} FROM audience_exchangerate rate
             WHERE rate.currency = {{}} AND rate."into" = {{}} AND rate.day <= {{}} AND rate.rate IS NOT NULL{{}}
             AND NOT EXISTS (
                 SELECT FROM audience_exchangerate later WHERE later.currency = rate.currency
                 AND later."into" = rate."into" AND later.day = rate.day
                 AND (later.recorded_at, later.id) > (rate.recorded_at, rate.id){{}})
             ORDER BY rate.day DESC LIMIT 1)""",
        currency, into, day, until, later,
    )  # fmt: skip


def converted(amount: Sql, currency: Sql, day: Sql, into: str, known: datetime | None = None) -> Sql:
    """An amount in minor units of `into`, as SQL; NULL where it is in another currency and has no rate."""
    return sql(
        "CASE WHEN {} = {} THEN {} ELSE {} END", currency, into, amount, _times(amount, on(currency, day, into, known))
    )


def is_known(currency: Sql, day: Sql, into: str, known: datetime | None = None) -> Sql:
    """That amounts of a currency can be told in another from a day on."""
    return sql("({} = {} OR {} IS NOT NULL)", currency, into, on(currency, day, into, known))


def added(relation: Sql, into: str, known: datetime | None = None) -> Sum:
    """What a relation of `bucket`, `amount`, `currency`, `day` adds up to, by bucket and currency; one statement.

    An amount whose currency is not known is apart.
    """
    found = rows(
        sql(
            """
            SELECT bucket, currency, count(*), count(amount), coalesce(sum(total), 0), count(total) FILTER (WHERE far),
                   coalesce(sum(amount) FILTER (WHERE far AND total IS NOT NULL), 0),
                   count(amount) FILTER (WHERE total IS NULL), coalesce(sum(amount) FILTER (WHERE total IS NULL), 0),
                   min(rate), max(rate), min(day), max(day)
            FROM (
                SELECT told.bucket::text, told.currency, told.amount, told.currency <> {} AS far, amounts.total,
                       CASE WHEN amounts.total IS NOT NULL THEN held.rate END AS rate,
                       CASE WHEN amounts.total IS NOT NULL THEN held.day END AS day
                FROM ({}) told LEFT JOIN audience_exchangerate held ON told.currency <> {} AND held.id = {}
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN told.currency = {} THEN told.amount ELSE {} END AS total) amounts
            ) each GROUP BY 1, 2 ORDER BY 1, 2
            """,
            into, relation, into, on(Sql("told.currency"), Sql("told.day"), into, known, "id"), into,
            _times(Sql("told.amount"), Sql("held.factor")),
        )
    )  # fmt: skip
    told: list[list[Any]] = [[int(each) if place in SUMS else each for place, each in enumerate(row)] for row in found]
    return Sum(into, [Added(*row) for row in told])


def _times(amount: Sql, factor: Sql) -> Sql:
    """An amount times a factor, in whole units; NULL beyond what is kept."""
    return sql(
        "(SELECT CASE WHEN abs(made) < {} THEN round(made)::bigint END FROM (SELECT {} * {} AS made OFFSET 0) product)",
        MOST, amount, factor,
    )  # fmt: skip


def _words(currency: str, into: str, parts: Sequence[Added]) -> list[str]:
    told = []
    if number := sum(each.converted for each in parts):
        words = ngettext(
            "Of this, %(amount)s in %(n)s row was converted, at a rate of %(rates)s (%(days)s).",
            "Of this, %(amount)s in %(n)s rows were converted, at rates of %(rates)s (%(days)s).",
            number,
        )
        rates = {rate for each in parts for rate in (each.lowest, each.highest) if rate is not None}
        days = {day for each in parts for day in (each.first, each.last) if day is not None}
        told.append(
            words
            % {
                "amount": money.written(sum(each.original for each in parts), currency),
                "n": writing.number(number),
                "rates": _(" to ").join(written(each) for each in sorted({min(rates), max(rates)})),
                "days": _(" to ").join(str(writing.day(each)) for each in sorted({min(days), max(days)})),
            }
        )
    if currency != into and (number := sum(each.apart for each in parts)):
        words = ngettext(
            "%(n)s row in %(currency)s, %(amount)s, has no exchange rate of its day or before and is not added.",
            "%(n)s rows in %(currency)s, %(amount)s, have no exchange rate of their day or before and are not added.",
            number,
        )
        left = money.written(sum(each.left for each in parts), currency)
        told.append(words % {"n": writing.number(number), "currency": currency, "amount": left})
    return told


def written(rate: Decimal) -> str:
    """A rate for people: with as many places as it has, at least two."""
    places = max(2, -int(rate.normalize().as_tuple().exponent))
    return writing.number(rate, places)


def _places(currency: Sql) -> Sql:
    """The decimal places of a currency, as `kit.money` has them."""
    by_places: defaultdict[int, list[str]] = defaultdict(list)
    for code, places in money.PLACES.items():
        by_places[places].append(code)
    cases = " ".join(f"WHEN {{}} = ANY({{}}) THEN {places}" for places in by_places)
    given: list[Any] = [part for codes in by_places.values() for part in (currency, codes)]
    return sql(f"CASE {cases} ELSE {money.USUAL} END", *given)


def _check(currency: str, into: str, day: date, rate: Decimal | None) -> None:
    if currency not in money.CODES:
        raise BadValue("currency", _("No currency is called so. Give its three letters, such as USD."), "bad_currency")
    if currency == into:
        raise BadValue("currency", _("Reports are in this currency already. Give what another one is worth in it."))
    if not writing.FIRST_YEAR <= day.year <= writing.LAST_YEAR:
        years = {"first": writing.FIRST_YEAR, "last": writing.LAST_YEAR}
        raise BadValue("day", _("Choose a year between %(first)s and %(last)s.") % years, "out_of_range")
    if rate is not None and not (rate.is_finite() and SMALLEST <= rate <= LARGEST):
        raise BadValue("rate", _("A rate is a number above 0, such as 0.92."), "number_out_of_range")
    if rate is not None and rate != round(rate, DIGITS):
        raise BadValue("rate", _("A rate has at most %(n)s places.") % {"n": DIGITS}, "number_out_of_range")
