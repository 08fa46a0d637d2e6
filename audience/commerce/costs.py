"""What channels and campaigns cost: written down per period, and told per month by its days.

A period is `[starts_on, ends_on)`: it ends before `ends_on`. A cost is spread evenly over its days; in whole minor
units, so that its months add up to exactly what was written down.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audience.activity import channels
from audience.models import Cost
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, money, writing
from kit.models import User
from kit.sql import Sql, rows, sql

FIELDS = ("channel", "campaign", "starts_on", "ends_on", "amount", "currency")
LARGEST = 10**15  # minor units, either way
MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True)
class Monthly:
    """What one channel cost in one month, in one currency, in minor units."""

    channel: str
    currency: str
    month: date
    amount: int


@transaction.atomic
def add(
    values: Mapping[str, Any], *, source: str = BY_HAND, external_id: str = "", by: User | None, now: datetime
) -> Cost:
    """What something cost. A source tells it once. Raises BadValue."""
    told = _checked(values)
    try:
        with transaction.atomic():
            made = Cost.objects.create(
                **told, source=source, external_id=external_id or uuid.uuid4().hex, recorded_at=now
            )
    except IntegrityError as clash:
        if "cost_once" not in str(clash):
            raise
        raise BadValue("external_id", _("This source has told a cost of this id already."), "already_there") from clash
    audit.record("cost.add", str(made), by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def correct(cost: Cost, values: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Write what it should have been; the trail keeps what it was. False when nothing differs. Raises BadValue."""
    held = Cost.objects.select_for_update(no_key=True).get(pk=cost.pk)
    told = _checked({name: getattr(held, name) for name in FIELDS} | dict(values))
    if all(getattr(held, name) == told[name] for name in FIELDS):
        return False
    before = _told(held)
    for name in FIELDS:
        setattr(held, name, told[name])
    held.save(update_fields=FIELDS)
    cost.refresh_from_db()
    audit.record("cost.correct", str(held), by=by, now=now, before=before, after=_told(held))
    return True


@transaction.atomic
def remove(cost: Cost, *, by: User | None, now: datetime) -> None:
    """It was never spent. The trail keeps what was written."""
    audit.record("cost.remove", str(cost), by=by, now=now, before=_told(cost))
    cost.delete()


def overlapping(cost: Cost) -> QuerySet[Cost]:
    """Other costs of the same channel and campaign of which some days are this one's as well: perhaps told twice."""
    same = Cost.objects.filter(channel=cost.channel, campaign=cost.campaign).exclude(pk=cost.pk)
    return same.filter(starts_on__lt=cost.ends_on, ends_on__gt=cost.starts_on).order_by("starts_on", "pk")


def overlaps(pks: Collection[int]) -> set[int]:
    """Those of these costs that overlap with another of the same channel and campaign."""
    found = sql(
        """SELECT c.id FROM audience_cost c WHERE c.id = ANY ({}) AND EXISTS (
               SELECT FROM audience_cost o WHERE o.id <> c.id AND o.channel = c.channel AND o.campaign = c.campaign
               AND o.starts_on < c.ends_on AND o.ends_on > c.starts_on)""",
        list(pks),
    )
    return {pk for (pk,) in rows(found)}


def touching(since: date, until: date) -> Q:
    """Costs of which some day lies in `[since, until)`."""
    return Q(starts_on__lt=until, ends_on__gt=since)


def monthly(since: date, until: date) -> list[Monthly]:
    """What each channel cost in each month of `[since, until)`, both firsts of a month, where it cost any."""
    found = sql(
        """SELECT channel, currency, month, sum(amount)::bigint FROM ({}) part
           GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        in_months(since, until),
    )
    return [Monthly(*row) for row in rows(found)]


def in_months(since: date, until: date) -> Sql:
    """What each cost comes to in each month of `[since, until)`: id, channel, currency, starts_on, month, amount.

    The share of a month is what is spent by its end less what is spent by its beginning, each rounded once.
    """
    spent = """round(cost.amount * greatest(0, least({0}, cost.ends_on) - cost.starts_on)::numeric
                     / (cost.ends_on - cost.starts_on))"""
    return sql(
        f"""
        SELECT cost.id, cost.channel, cost.currency, cost.starts_on, month.day AS month,
               ({spent.format("month.next")} - {spent.format("month.day")})::bigint AS amount
        FROM (SELECT day::date AS day, (day + interval '1 month')::date AS next
              FROM generate_series({{}}::date, {{}}::date - 1, interval '1 month') day) month
        JOIN audience_cost cost ON cost.starts_on < month.next AND cost.ends_on > month.day
            AND cost.ends_on > cost.starts_on""",
        since,
        until,
    )


def spent(since: date, until: date) -> dict[str, int]:
    """What was spent in all in `[since, until)`, by currency, in minor units; each cost by the days that lie in it."""
    found = sql(
        """
        SELECT cost.currency, sum(round(cost.amount
                   * (least({}::date, cost.ends_on) - greatest({}::date, cost.starts_on))::numeric
                   / (cost.ends_on - cost.starts_on)))::bigint
        FROM audience_cost cost
        WHERE cost.starts_on < {} AND cost.ends_on > {} AND cost.ends_on > cost.starts_on
        GROUP BY 1 ORDER BY 1""",
        until, since, until, since,
    )  # fmt: skip
    return dict(rows(found))


def by_channel(since: date, until: date) -> dict[str, dict[str, int]]:
    """What each channel cost in `[since, until)`, by currency, in minor units; each cost by the days that lie in it."""
    found = rows(
        sql(
            """
            SELECT cost.channel, cost.currency, sum(round(cost.amount
                       * (least({}::date, cost.ends_on) - greatest({}::date, cost.starts_on))::numeric
                       / (cost.ends_on - cost.starts_on)))::bigint
            FROM audience_cost cost
            WHERE cost.starts_on < {} AND cost.ends_on > {} AND cost.ends_on > cost.starts_on AND cost.channel <> ''
            GROUP BY 1, 2 ORDER BY 1, 2""",
            until, since, until, since,
        )
    )  # fmt: skip
    means = channels.normals({channel for channel, *_ in found})
    told: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for channel, currency, amount in found:
        sums = told[means.get(channel, channel)]
        sums[currency] = sums.get(currency, 0) + amount
    return dict(told)


def spellings(channel: str) -> list[str]:
    """The channels of costs that mean this one."""
    used = list(Cost.objects.exclude(channel="").order_by("channel").values_list("channel", flat=True).distinct())
    means = channels.normals(used)
    return [each for each in used if means.get(each, each) == channel]


def month_of(text: str) -> tuple[date, date] | None:
    """A month such as 2025-03 as `[first day, first of the next)`; None for what is none."""
    found = MONTH.fullmatch(text)
    if not found or not writing.FIRST_YEAR <= int(found[1]) <= writing.LAST_YEAR or not 1 <= int(found[2]) <= 12:
        return None
    year, month = int(found[1]), int(found[2])
    return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    told = {"channel": "", "campaign": ""} | {name: values[name] for name in FIELDS if name in values}
    told["channel"] = channels.normal(told["channel"].strip())
    told["campaign"] = " ".join(told["campaign"].split())
    for name in ("starts_on", "ends_on", "amount", "currency"):
        if told.get(name) in (None, ""):
            raise BadValue(name, _("It has to be said."), "required")
    for name in ("channel", "campaign"):
        longest = getattr(Cost._meta.get_field(name), "max_length", None) or 0
        if len(told[name]) > longest or "\x00" in told[name]:
            raise BadValue(name, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    if not told["channel"] and not told["campaign"]:
        raise BadValue("channel", _("Say of which channel or which campaign."), "required")
    if not all(writing.FIRST_YEAR <= told[name].year <= writing.LAST_YEAR for name in ("starts_on", "ends_on")):
        years = {"first": writing.FIRST_YEAR, "last": writing.LAST_YEAR}
        raise BadValue("starts_on", _("Choose a year between %(first)s and %(last)s.") % years, "out_of_range")
    if told["ends_on"] <= told["starts_on"]:
        raise BadValue("ends_on", _("It ends after it begins."), "bad_order")
    if abs(told["amount"]) > LARGEST:
        raise BadValue("amount", _("This is more than can be kept."), "number_out_of_range")
    told["currency"] = str(told["currency"]).strip().upper()
    if told["currency"] not in money.CODES:
        raise BadValue("currency", _("No currency is called so. Give its three letters, such as EUR."), "bad_currency")
    return told


def _told(cost: Cost) -> dict[str, Any]:
    return {name: str(value) if isinstance(value := getattr(cost, name), date) else value for name in FIELDS}
