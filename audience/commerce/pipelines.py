"""Pipelines and their stages: planned by users, named by deals; what is open in each, and what was won.

A deal names its stage by a text, because files bring what their system calls it. A stage that no pipeline plans is
kept, and listed as such until somebody adds it or moves its deals. Amounts of two currencies are never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from audience.models import Deal, Pipeline, PipelineStage
from audience.subjects.people import BadValue
from kit import audit
from kit.models import User

MOST = 50  # pipelines, and stages of one
FIRST = "New business"
FIRST_STAGES: Sequence[tuple[str, int, str]] = (
    ("Qualified", 10, "open"),
    ("Demo", 25, "open"),
    ("Proposal", 50, "open"),
    ("Negotiation", 75, "open"),
    ("Closed won", 100, "won"),
    ("Closed lost", 0, "lost"),
)
OPEN, WON, LOST = PipelineStage.Kind.OPEN, PipelineStage.Kind.WON, PipelineStage.Kind.LOST
Stages = Sequence[Mapping[str, Any]]  # name, probability, kind


@dataclass
class Column:
    """What is open in one stage; a stage that is not planned has no row. Amounts by currency, in minor units."""

    name: str
    stage: PipelineStage | None
    count: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    without: int = 0  # deals whose amount is not known

    @property
    def weighted(self) -> dict[str, int] | None:
        """The sums times the probability, rounded half upwards; None where no probability is planned."""
        if self.stage is None or self.stage.probability is None:
            return None
        return {currency: _share(amount, self.stage.probability) for currency, amount in self.sums.items()}


@dataclass
class Board:
    """A pipeline as it is now, column by column, with the sums of all of them."""

    columns: list[Column]
    count: int
    sums: dict[str, int]
    weighted: dict[str, int]
    unweighted: int  # open deals in columns without a probability


@dataclass(frozen=True)
class Closed:
    """What was closed within a period."""

    won: int
    lost: int
    sums: dict[str, int]  # of what was won

    @property
    def rate(self) -> float | None:
        """Win rate: won / (won + lost); None where nothing was closed."""
        return self.won / (self.won + self.lost) if self.won + self.lost else None


def ensure_defaults(_now: datetime) -> None:
    """The first pipeline, where there is none; safe to repeat."""
    if Pipeline.objects.exists():
        return
    made, new = Pipeline.objects.get_or_create(name=FIRST)
    if new:
        _plan(made, [dict(zip(("name", "probability", "kind"), each, strict=True)) for each in FIRST_STAGES])


@transaction.atomic
def define(name: str, stages: Stages, *, by: User | None, now: datetime) -> Pipeline:
    """A new pipeline, after those that are there. Raises BadValue."""
    name = _named(name)
    if Pipeline.objects.count() >= MOST:
        raise BadValue("name", _("There are %(most)s pipelines already.") % {"most": MOST})
    planned = _checked(stages)
    last = Pipeline.objects.order_by("-position").values_list("position", flat=True).first()
    made = Pipeline.objects.create(name=name, position=0 if last is None else last + 1)
    _plan(made, planned)
    audit.record("pipeline.define", name, by=by, now=now, after={"pipeline": made.pk, "stages": planned})
    return made


@transaction.atomic
def change(pipeline: Pipeline, stages: Stages, *, by: User | None, now: datetime) -> bool:
    """Plan other stages, in this order. Deals stay in the stages that they name. True when it was different.

    Raises BadValue.
    """
    held = Pipeline.objects.select_for_update().get(pk=pipeline.pk)
    planned, before = _checked(stages), planned_of(held)
    if planned == before:
        return False
    held.stages.all().delete()
    _plan(held, planned)
    about: dict[str, Any] = {"pipeline": held.pk}
    was, becomes = about | {"stages": before}, about | {"stages": planned}
    audit.record("pipeline.change", held.name, by=by, now=now, before=was, after=becomes)
    return True


@transaction.atomic
def remove(pipeline: Pipeline, *, by: User | None, now: datetime) -> None:
    """Take a pipeline away that no deal names. Raises BadValue, also for the first one."""
    held = Pipeline.objects.select_for_update().get(pk=pipeline.pk)
    if Deal.objects.filter(pipeline=held.name).exists():
        raise BadValue("name", _("Deals are in it. Move them to another pipeline first."), "in_use")
    if held == first():
        raise BadValue("name", _("Deals that name no pipeline are in the first one, so it stays."), "in_use")
    audit.record("pipeline.remove", held.name, by=by, now=now, before={"stages": planned_of(held)})
    held.delete()


def first() -> Pipeline | None:
    """The pipeline of deals that name none."""
    return Pipeline.objects.first()


def planned_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Its stages in order: `name`, `probability`, `kind`."""
    return [dict(each) for each in pipeline.stages.values("name", "probability", "kind")]


def stage_of(pipeline: str, stage: str) -> PipelineStage | None:
    """The planned stage that a deal names by these words."""
    planned = PipelineStage.objects.filter(name=stage)
    if pipeline:
        return planned.filter(pipeline__name=pipeline).first()
    return planned.filter(pipeline=first()).first()


def within(pipeline: Pipeline) -> Q:
    """The deals that are in a pipeline: those that name it; of the first also those that name none."""
    named = Q(pipeline=pipeline.name)
    return named | Q(pipeline="") if pipeline == first() else named


def board(pipeline: Pipeline, deals: QuerySet[Deal]) -> Board:
    """What is open among some deals, by stage: those planned, in order, then the others. One statement."""
    columns = {each.name: Column(each.name, each) for each in pipeline.stages.all()}
    for each in list(columns.values()):
        if each.stage is not None and each.stage.kind != OPEN:
            columns[each.name] = columns.pop(each.name)  # open deals that stand in a closed stage come last
    open_ones = deals.filter(within(pipeline), status=Deal.Status.OPEN)
    counted = open_ones.order_by("stage").values("stage", "currency").annotate(
        n=Count("pk"), known=Count("amount"), amount=Sum("amount")
    )  # fmt: skip
    for row in counted:
        column = columns.setdefault(row["stage"], Column(row["stage"], None))
        column.count += row["n"]
        column.without += row["n"] - row["known"]
        if row["known"]:
            column.sums[row["currency"]] = column.sums.get(row["currency"], 0) + row["amount"]
    shown = [each for each in columns.values() if each.count or (each.stage is not None and each.stage.kind == OPEN)]
    likely = [each.weighted for each in shown if each.weighted is not None]
    return Board(
        shown,
        sum(each.count for each in shown),
        added(each.sums for each in shown),
        added(likely),
        sum(each.count for each in shown if each.weighted is None),
    )


def closed(deals: QuerySet[Deal], since: datetime | None, until: datetime | None) -> Closed:
    """What was won and lost among some deals within [since, until). One statement."""
    rows = deals.exclude(status=Deal.Status.OPEN)
    if since:
        rows = rows.filter(closed_at__gte=since)
    if until:
        rows = rows.filter(closed_at__lt=until)
    won = lost = 0
    sums: defaultdict[str, int] = defaultdict(int)
    for row in rows.order_by("status").values("status", "currency").annotate(n=Count("pk"), amount=Sum("amount")):
        if row["status"] == Deal.Status.WON:
            won += row["n"]
            if row["amount"] is not None:
                sums[row["currency"]] += row["amount"]
        else:
            lost += row["n"]
    return Closed(won, lost, dict(sorted(sums.items())))


def unplanned() -> list[dict[str, Any]]:
    """Stages and pipelines that deals name and nobody has planned: `pipeline`, `stage`, `count`, `open`."""
    known = {(each.pipeline.name, each.name) for each in PipelineStage.objects.select_related("pipeline")}
    begin = first()
    known |= {(name, "") for name in Pipeline.objects.values_list("name", flat=True)}
    known |= {("", stage) for pipeline, stage in known if begin and pipeline == begin.name}
    named = Deal.objects.exclude(stage="", pipeline="").order_by("pipeline", "stage").values("pipeline", "stage")
    counted = named.annotate(count=Count("pk"), open=Count("pk", filter=Q(status=Deal.Status.OPEN)))
    return [dict(row) for row in counted if (row["pipeline"], row["stage"]) not in known]


def named_in(pipeline: str) -> list[dict[str, Any]]:
    """The stages that deals name in a pipeline, as a plan of it: those in which deals are open first."""
    deals = Deal.objects.filter(pipeline=pipeline).exclude(stage="") if pipeline else Deal.objects.none()
    names = deals.order_by("stage").values_list("stage", flat=True).distinct()[:MOST]
    return sorted((read(each, deals.filter(stage=each)) for each in names), key=lambda each: each["kind"] != OPEN)


def read(stage: str, deals: QuerySet[Deal]) -> dict[str, Any]:
    """A plan of a stage by the deals that name it: won or lost where all of them are, else open."""
    states = set(deals.order_by().values_list("status", flat=True).distinct())
    kind = states.pop() if len(states) == 1 else str(OPEN)
    return {"name": stage, "probability": {"won": 100, "lost": 0}.get(kind), "kind": kind}


def added(sums: Any) -> dict[str, int]:
    """Sums by currency, added within each currency."""
    found: defaultdict[str, int] = defaultdict(int)
    for each in sums:
        for currency, amount in each.items():
            found[currency] += amount
    return dict(sorted(found.items()))


def _plan(pipeline: Pipeline, stages: Stages) -> None:
    PipelineStage.objects.bulk_create(
        PipelineStage(pipeline=pipeline, position=place, **stage) for place, stage in enumerate(stages)
    )


def _named(name: str) -> str:
    name = " ".join(str(name or "").split())
    if not name or len(name) > 100 or "\x00" in name:
        raise BadValue("name", _("A name has between 1 and 100 letters."))
    if Pipeline.objects.filter(name__iexact=name).exists():
        raise BadValue("name", _("There is a pipeline of this name already."), "already_there")
    return name


def _checked(stages: Stages) -> list[dict[str, Any]]:
    planned: list[dict[str, Any]] = []
    for each in stages:
        name, kind, likely = " ".join(str(each["name"]).split()), each.get("kind") or OPEN, each.get("probability")
        if not name or len(name) > 100 or "\x00" in name:
            raise BadValue("stages", _("The name of a stage has between 1 and 100 letters."))
        if kind not in PipelineStage.Kind.values:
            raise BadValue("stages", _("A stage is open, won or lost."))
        if likely is not None and not 0 <= likely <= 100:
            raise BadValue("stages", _("A probability is between 0 and 100 per cent."))
        planned.append({"name": name, "probability": likely, "kind": str(kind)})
    if not any(each["kind"] == OPEN for each in planned):
        raise BadValue("stages", _("A pipeline has at least one stage in which deals are open."))
    if len(planned) > MOST:
        raise BadValue("stages", _("A pipeline has at most %(most)s stages.") % {"most": MOST})
    if len({each["name"].lower() for each in planned}) < len(planned):
        raise BadValue("stages", _("Each stage can stand there only once."))
    return planned


def _share(amount: int, percent: int) -> int:
    return int((Decimal(amount) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))
