"""The pipeline of sales: what is open, by stage and owner, how often deals are won, and the money a day that makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audience.commerce import pipelines, rates
from audience.models import Deal, Pipeline
from audience.subjects.filters import COUNTS
from kit import installation
from kit.models import User
from kit.sql import Sql, rows, sql
from kit.statistics import Share
from reporting import windows
from reporting.windows import Preset, Window

PARAMETERS = ("window", "was", "from", "to", "pipeline", "owner")
NOBODY = ""  # the bucket of deals without an owner


@dataclass(frozen=True)
class PipelineQuestion:
    """A window for what was closed; `today` for what is open. Of one pipeline, or all; of one owner, or everybody."""

    window: Window
    today: date
    pipeline: Pipeline | None = None
    owner: User | None = None

    def deals(self) -> QuerySet[Deal]:
        """The deals that are asked about."""
        found = Deal.objects.filter(COUNTS)
        if self.pipeline:
            found = found.filter(pipelines.within(self.pipeline))
        return found.filter(owner=self.owner) if self.owner else found


@dataclass(frozen=True)
class Asked:
    """What an address asks, the window's name if it is a preset, and notes on what was not understood."""

    question: PipelineQuestion
    preset: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What is open in one stage of one pipeline; `probability` in per cent, None where none is planned."""

    pipeline: str
    name: str
    probability: int | None
    open: rates.Sum

    @property
    def weighted(self) -> int | None:
        """Its sum times its probability, rounded half upwards."""
        if self.probability is None:
            return None
        share = Decimal(self.open.total) * self.probability / 100
        return int(share.quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True)
class Owner:
    """What one owner (None: nobody) has open, and closed in the window."""

    user: User | None
    open: rates.Sum
    won: rates.Sum
    lost: int

    @property
    def rate(self) -> Share:
        return Share(self.won.count, self.won.count + self.lost)


@dataclass(frozen=True)
class Sales:
    """Everything that is answered; amounts in minor units of `currency`."""

    question: PipelineQuestion
    currency: str
    open: rates.Sum
    won: rates.Sum
    lost: int
    days: float | None  # median from creation to won
    stages: tuple[Stage, ...]
    owners: tuple[Owner, ...]
    left_out: int

    @property
    def rate(self) -> Share:
        return Share(self.won.count, self.won.count + self.lost)

    @property
    def weighted(self) -> int:
        """The sum of what is likely, of stages that have a probability."""
        return sum(each.weighted or 0 for each in self.stages)

    @property
    def mean_won(self) -> float | None:
        """What a won deal brought, of those whose amount is known in the currency; None without one."""
        known = sum(each.known - each.apart for each in self.won.parts)
        return self.won.total / known if known else None

    @property
    def velocity(self) -> float | None:
        """Minor units per day; None where a part of it is not known, or deals are won on the day they are made."""
        if self.mean_won is None or self.rate.rate is None or not self.days:
            return None
        return self.open.count * self.mean_won * self.rate.rate / self.days


def read(given: Mapping[str, str], today: date) -> Asked:
    """The question of an address; the last 365 days of all pipelines unless it says otherwise. Never fails."""
    texts = {name: given.get(name, "").replace("\x00", "").strip() for name in PARAMETERS}
    if not (texts["window"] or texts["from"] or texts["to"]):
        texts["window"] = Preset.LAST_365.value
    notes: list[str] = []
    wish = windows.wish(texts, first=_first_day() or today, today=today)
    pipeline = _numbered(
        Pipeline.objects.all(), texts["pipeline"], _("There is no such pipeline; these are all."), notes
    )
    owner = _numbered(User.objects.all(), texts["owner"], _("There is no such user; this is everybody."), notes)
    return Asked(PipelineQuestion(wish.window, today, pipeline, owner), wish.preset, (*wish.notes, *notes))


def answer(question: PipelineQuestion) -> Sales:
    """The figures that a question asks for: a fixed number of statements."""
    deals, currency = question.deals(), rates.own()
    zone = installation.zone()
    since, until = (installation.midnight(day, zone) for day in (question.window.start, question.window.end))
    open_ones = deals.filter(status=Deal.Status.OPEN)
    closed = deals.exclude(status=Deal.Status.OPEN).filter(closed_at__gte=since, closed_at__lt=until)
    won = closed.filter(status=Deal.Status.WON)
    by_owner = {
        name: rates.added(pipelines.amounts(some, question.today, bucket="owner_id"), currency)
        for name, some in (("open", open_ones), ("won", won), ("lost", closed.filter(status=Deal.Status.LOST)))
    }
    return Sales(
        question,
        currency,
        by_owner["open"],
        by_owner["won"],
        by_owner["lost"].count,
        _days(won),
        _stages(open_ones, question, currency),
        _owners(**by_owner),
        Deal.objects.exclude(COUNTS).count(),
    )


def _stages(open_ones: QuerySet[Deal], question: PipelineQuestion, currency: str) -> tuple[Stage, ...]:
    """By pipeline and stage, in their order; those that nobody planned come last."""
    first = pipelines.first()
    chosen = Sql(*open_ones.order_by().values("pk").query.sql_with_params())
    relation = sql(
        """SELECT coalesce(nullif(deal.pipeline, ''), {}) || chr(10) || deal.stage AS bucket, deal.amount,
                  deal.currency, {}::date AS day FROM audience_deal deal WHERE deal.id IN ({})""",
        first.name if first else "", question.today, chosen,
    )  # fmt: skip
    told = rates.added(relation, currency)
    planned = {
        (pipeline.name, stage.name): stage
        for pipeline in Pipeline.objects.prefetch_related("stages")
        for stage in pipeline.stages.all()
    }
    named = {tuple(each.bucket.split("\n", 1)): each.bucket for each in told.parts}
    order = [each for each in planned if each in named] + sorted(set(named) - set(planned))
    return tuple(
        Stage(pipeline, stage, getattr(planned.get((pipeline, stage)), "probability", None),
              told.of(named[pipeline, stage]))
        for pipeline, stage in order
    )  # fmt: skip


def _owners(open: rates.Sum, won: rates.Sum, lost: rates.Sum) -> tuple[Owner, ...]:
    """The owners with something open or closed: who has most open first, deals of nobody last."""
    keys = {each.bucket for some in (open, won, lost) for each in some.parts}
    users = User.objects.in_bulk([int(key) for key in keys if key])
    found = [Owner(users.get(int(key)) if key else None, open.of(key), won.of(key), lost.of(key).count) for key in keys]
    return tuple(sorted(found, key=lambda one: (one.user is None, -one.open.total, -one.won.total, str(one.user))))


def _days(won: QuerySet[Deal]) -> float | None:
    zone = str(installation.zone())
    chosen = Sql(*won.order_by().values("pk").query.sql_with_params())
    statement = sql(
        """SELECT percentile_cont(0.5) WITHIN GROUP (
               ORDER BY (closed_at AT TIME ZONE {})::date - (opened_at AT TIME ZONE {})::date)
           FROM audience_deal WHERE id IN ({})""",
        zone, zone, chosen,
    )  # fmt: skip
    [(median,)] = rows(statement)
    return median


def _first_day() -> date | None:
    statement = sql("SELECT (min(opened_at) AT TIME ZONE {})::date FROM audience_deal", str(installation.zone()))
    [(first,)] = rows(statement)
    return first


def _numbered(known: QuerySet[Any], text: str, missing: str, notes: list[str]) -> Any:
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    found = known.filter(pk=int(text)).first() if is_number else None
    if found is None:
        notes.append(missing)
    return found
