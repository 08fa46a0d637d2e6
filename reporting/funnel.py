"""The funnel of one lifecycle in one window: balances, flows, conversion and time of every stage, whole and split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kit import installation
from kit.statistics import Counts, Share
from lifecycle.models import Lifecycle
from reporting import flows, plans
from reporting.metrics import (
    balance,
    cohort_conversion,
    excluded,
    in_flow,
    out_flow,
    period_conversion,
    time_in_stage,
    velocity,
)
from reporting.metrics.cohort_conversion import Cohorts, Order
from reporting.metrics.time_in_stage import Stays
from reporting.models import Fill
from reporting.plans import OUTSIDE, Direction, Place, Plan
from reporting.questions import Question, ask
from reporting.splits import EMPTY, Split
from reporting.windows import Window


class NeverPublished(ValueError):
    """The lifecycle has no version that was ever live, and so no funnel."""


@dataclass(frozen=True)
class Row:
    """One stage in the window. Shares of cohorts are None off the success path, and the step to the next at its end.

    `balance_start + in_flow − out_flow + came_over − went_over = balance_end`, and `out_by` adds up to `out_flow`.
    """

    place: Place
    balance_start: int
    in_flow: int
    out_flow: int
    came_over: int  # by another version of the lifecycle
    went_over: int
    balance_end: int
    out_by: Mapping[Direction, int]
    period: Share | None
    entered: int
    unfinished: int
    next_step: Share | None
    cumulative: Share | None
    strict: Share | None
    any_order: Share | None
    stays: Counts
    stays_by: Mapping[Direction, Counts]
    to_next: Counts | None

    @property
    def balances(self) -> bool:
        """Whether the ledger's identity holds; it always does."""
        moved = self.in_flow - self.out_flow + self.came_over - self.went_over
        return self.balance_start + moved == self.balance_end


@dataclass(frozen=True)
class Body:
    """The rows of everybody, or of one bucket, and the way from the first stage of the success path to its last."""

    rows: tuple[Row, ...]
    placed: int
    first_to_last: Counts

    @property
    def entered(self) -> int:
        """First entries into the first stage of the success path."""
        return self._success[0].entered if self._success else 0

    @property
    def won(self) -> Share | None:
        """The share of them that reached the last stage."""
        return self._success[-1].cumulative if len(self._success) > 1 else None

    @property
    def widest(self) -> int:
        """The largest number a funnel bar stands for."""
        return max([row.cumulative.hits for row in self._success if row.cumulative] or [0])

    @property
    def _success(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.place.position)

    @property
    def totals(self) -> Row:
        """The sum of all stages: moves between stages count in both flows."""
        return Row(
            place=Place("", ""),
            balance_start=sum(row.balance_start for row in self.rows),
            in_flow=sum(row.in_flow for row in self.rows),
            out_flow=sum(row.out_flow for row in self.rows),
            came_over=sum(row.came_over for row in self.rows),
            went_over=sum(row.went_over for row in self.rows),
            balance_end=sum(row.balance_end for row in self.rows),
            out_by={way: sum(row.out_by.get(way, 0) for row in self.rows) for way in Direction},
            period=None,
            entered=0,
            unfinished=0,
            next_step=None,
            cumulative=None,
            strict=None,
            any_order=None,
            stays=sum((row.stays for row in self.rows), Counts()),
            stays_by={},
            to_next=None,
        )


@dataclass(frozen=True)
class Bucket:
    """One value of the split, its name and its part of the funnel."""

    value: str
    label: str
    body: Body


@dataclass(frozen=True)
class Funnel:
    """What was asked, and everything that is answered."""

    question: Question
    everybody: Body
    buckets: tuple[Bucket, ...]
    excluded_by: dict[str, int]  # by the name of the list that does it
    filled_at: datetime | None

    @property
    def excluded(self) -> int:
        return sum(self.excluded_by.values())

    @property
    def plan(self) -> Plan:
        return self.question.plan

    @property
    def window(self) -> Window:
        return self.question.window


def funnel(
    lifecycle: Lifecycle,
    *,
    start: date,
    end: date,
    today: date,
    split: Split | None = None,
    within: int | None = None,
) -> Funnel:
    """The funnel of the local days `[start, end)`, out of filled tables alone; a fixed number of statements.

    `today` is the local day of asking, which says whose days are over; `within` the days a cohort is given (None:
    any time since). The buckets of `split`, largest first, add up to everybody in every count.
    Raises NeverPublished, and ValueError for a window that ends before it starts.
    """
    plan = plans.read(lifecycle)
    if plan is None:
        raise NeverPublished(lifecycle.slug)
    return answer(ask(plan, Window(start, end), today, within=within, split=split))


def answer(question: Question) -> Funnel:
    """The funnel that a question asks for."""
    whole, plan = question.about(split=None), question.plan
    everybody = _bodies(whole).get("") or _body(plan, None, None, None, {})
    buckets = _buckets(question, question.split) if question.split else ()
    filled_at = Fill.objects.filter(lifecycle=plan.lifecycle).values_list("filled_at", flat=True).first()
    return Funnel(question, everybody, buckets, excluded.by_list(whole), filled_at)


def today(now: datetime) -> date:
    """The local day in which an instant lies."""
    return now.astimezone(installation.zone()).date()


def _buckets(question: Question, split: Split) -> tuple[Bucket, ...]:
    found = [Bucket(value, split.called(value), body) for value, body in _bodies(question).items()]
    # The largest first; the unknown last among equals.
    found.sort(key=lambda one: (-one.body.entered, -one.body.placed, one.value == EMPTY, one.value))
    return tuple(found)


def _bodies(question: Question) -> dict[str, Body]:
    plan = question.plan
    with question.in_order():
        moved = flows.by_bucket(question)
        cohorts = cohort_conversion.by_bucket(question)
        stays = time_in_stage.by_bucket(question, moved)
        speeds = velocity.by_bucket(question)
    return {
        bucket: _body(plan, moved.get(bucket), cohorts.get(bucket), stays.get(bucket), speeds.get(bucket, {}))
        for bucket in moved.keys() | cohorts.keys()
    }


def _body(
    plan: Plan,
    moved: flows.Flows | None,
    cohorts: Cohorts | None,
    stays: Stays | None,
    speeds: Mapping[velocity.Pair, Counts],
) -> Body:
    moved, cohorts, stays = moved or flows.Flows(plan), cohorts or Cohorts(), stays or Stays(plan)
    ends = (plan.success[0].slug, plan.success[-1].slug) if plan.success else (OUTSIDE, OUTSIDE)
    return Body(
        rows=tuple(_row(plan, place, moved, cohorts, stays, speeds) for place in plan.places),
        placed=sum(count for (source, _), count in moved.within.items() if source == OUTSIDE),
        first_to_last=speeds.get(ends, Counts()),
    )


def _row(
    plan: Plan,
    place: Place,
    moved: flows.Flows,
    cohorts: Cohorts,
    stays: Stays,
    speeds: Mapping[velocity.Pair, Counts],
) -> Row:
    slug, along, onward = place.slug, bool(place.position), plan.next(place.slug)
    first = plan.success[0].slug if plan.success else slug
    outward = [way for way in Direction if way != Direction.PLACEMENT]
    return Row(
        place=place,
        balance_start=balance.compute(moved, slug, balance.START),
        in_flow=in_flow.compute(moved, slug),
        out_flow=out_flow.compute(moved, slug),
        came_over=moved.came_over(slug),
        went_over=moved.went_over(slug),
        balance_end=balance.compute(moved, slug, balance.END),
        out_by={way: out_flow.compute(moved, slug, (way,)) for way in outward},
        period=period_conversion.compute(moved, slug) if onward else None,
        entered=cohorts.entered(slug),
        unfinished=cohorts.unfinished(slug),
        next_step=cohorts.conversion(slug, onward.slug) if onward else None,
        cumulative=cohorts.conversion(first, slug) if along else None,
        strict=cohorts.conversion(first, slug, Order.STRICT) if along else None,
        any_order=cohorts.conversion(OUTSIDE, slug, Order.ANY) if along else None,
        stays=stays.of(slug),
        stays_by={way: stays.of(slug, (way,)) for way in outward},
        to_next=speeds.get((slug, onward.slug), Counts()) if onward else None,
    )


# ---- as JSON, for the command line and other programs ----


def as_json(answer: Funnel) -> dict[str, Any]:
    """The funnel as plain values: slugs, whole numbers, shares of one, days as ISO dates."""
    question = answer.question
    told = {
        "lifecycle": answer.plan.lifecycle.slug,
        "version": answer.plan.version.number,
        "from": answer.window.start.isoformat(),
        "to": answer.window.end.isoformat(),
        "within_days": question.within,
        "left_out": answer.excluded,
        "left_out_by": answer.excluded_by,
        **_body_json(answer.everybody),
        "stages": [_row_json(row) for row in answer.everybody.rows],
    }
    if question.split:
        buckets = [{"bucket": one.label, "value": one.value, **_body_json(one.body)} for one in answer.buckets]
        told["split"] = {"field": question.split.name, "buckets": buckets}
    return told


def _body_json(body: Body) -> dict[str, Any]:
    won = body.won
    return {
        "placed": body.placed,
        "entered": body.entered,
        "won": won.hits if won else 0,
        "won_of": won.of if won else 0,
        "conversion": won.rate if won else None,
        "first_to_won_days": _counts_json(body.first_to_last),
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "stage": row.place.slug,
        "name": row.place.name,
        "balance_start": row.balance_start,
        "in": row.in_flow,
        "out": row.out_flow,
        "came_over": row.came_over,
        "went_over": row.went_over,
        "balance_end": row.balance_end,
        "out_by": {way.value: count for way, count in row.out_by.items() if count},
        "entered": row.entered,
        "unfinished": row.unfinished,
        "period_conversion": _share_json(row.period),
        "next_step": _share_json(row.next_step),
        "cumulative": _share_json(row.cumulative),
        "strict": _share_json(row.strict),
        "any_order": _share_json(row.any_order),
        "days_in_stage": _counts_json(row.stays),
        "days_to_next": _counts_json(row.to_next) if row.to_next is not None else None,
    }


def _share_json(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    interval = share.interval
    return {"hits": share.hits, "of": share.of, "rate": share.rate, "interval": list(interval) if interval else None}


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        "count": counts.count,
        "median": counts.median,
        "p90": counts.p90,
        "mean": counts.mean,
        "minimum": counts.minimum,
        "negative": counts.negative,
    }
