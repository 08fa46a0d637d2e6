"""Pipelines and their stages: planned by users, named by deals; what is open in each, and what was won.

A deal names its stage by a text, because files bring what their system calls it. A stage that no pipeline plans is
kept, and listed as such until somebody adds it or moves its deals. What is renamed takes its deals and their history
along, and whoever still says the old name means the new one (`meant`). Amounts are told in the installation's currency
by the rates of their own days: of the day it was closed, of today for an open deal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from audience.commerce import rates
from audience.models import Deal, DealChange, Pipeline, PipelineStage
from audience.subjects.people import BadValue
from kit import audit, installation
from kit.models import User
from kit.sql import Sql, run, sql

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
Stages = Sequence[Mapping[str, Any]]  # name, probability, kind; the id of one that is there, and whether it is retired


@dataclass(frozen=True)
class Column:
    """What is open in one stage; a stage that is not planned has no row. Amounts by currency, in minor units."""

    name: str
    stage: PipelineStage | None
    amounts: rates.Sum

    @property
    def count(self) -> int:
        return self.amounts.count

    @property
    def sums(self) -> dict[str, int]:
        return self.amounts.sums

    @property
    def without(self) -> int:
        """Deals whose amount is not known."""
        return self.amounts.unknown

    @property
    def weighted(self) -> dict[str, int] | None:
        """The sums times the probability, rounded half upwards; None where no probability is planned."""
        if self.stage is None or self.stage.probability is None:
            return None
        return {currency: _share(amount, self.stage.probability) for currency, amount in self.sums.items()}


@dataclass(frozen=True)
class Board:
    """A pipeline as it is now, column by column, with the sums of all of them."""

    columns: list[Column]
    amounts: rates.Sum
    weighted: dict[str, int]
    unweighted: int  # open deals in columns without a probability

    @property
    def count(self) -> int:
        return self.amounts.count

    @property
    def sums(self) -> dict[str, int]:
        return self.amounts.sums


@dataclass(frozen=True)
class Closed:
    """What was closed within a period."""

    won: int
    lost: int
    amounts: rates.Sum  # of what was won

    @property
    def sums(self) -> dict[str, int]:
        return self.amounts.sums

    @property
    def rate(self) -> float | None:
        """Win rate: won / (won + lost); None where nothing was closed."""
        return self.won / (self.won + self.lost) if self.won + self.lost else None


def ensure_defaults(now: datetime) -> None:
    """The first pipeline, where there is none; safe to repeat."""
    if Pipeline.objects.exists():
        return
    made, new = Pipeline.objects.get_or_create(name=FIRST)
    if new:
        _replan(
            made,
            _checked([dict(zip(("name", "probability", "kind"), each, strict=True)) for each in FIRST_STAGES]),
            now,
        )


@transaction.atomic
def define(name: str, stages: Stages, *, by: User | None, now: datetime) -> Pipeline:
    """A new pipeline, after those that are there. Raises BadValue."""
    name = _named(name, None)
    _is_no_alias(name, Pipeline.objects.all())
    if Pipeline.objects.count() >= MOST:
        raise BadValue("name", _("There are %(most)s pipelines already.") % {"most": MOST})
    planned = _checked(stages)
    last = Pipeline.objects.order_by("-position").values_list("position", flat=True).first()
    made = Pipeline.objects.create(name=name, position=0 if last is None else last + 1)
    _replan(made, planned, now)
    audit.record("pipeline.define", name, by=by, now=now, after={"pipeline": made.pk} | _told(made))
    return made


@transaction.atomic
def change(
    pipeline: Pipeline,
    stages: Stages | None = None,
    *,
    named: str | None = None,
    retired: bool | None = None,
    by: User | None,
    now: datetime,
) -> bool:
    """Plan other stages, in this order, another name, or retire it. True when it was different.

    A stage with the `id` of one that is there is that one, whatever it is called now: its deals and their history go
    by the new name, and the old one still leads to it. One that is left out is not planned any more; its deals stay.
    One entry in the trail tells all of it. Raises BadValue.
    """
    held = Pipeline.objects.select_for_update().get(pk=pipeline.pk)
    before, was = _told(held), held.name
    if retired is not None and retired != (held.retired_at is not None):
        if retired and held == first():
            raise BadValue("retired", _("Deals that name no pipeline are in the first one, so it stays."), "in_use")
        held.retired_at = now if retired else None
    if named is not None and (called := _named(named, held)) != held.name:
        held.aliases = _aliases(held, called)
        held.name = called
        _is_no_alias(called, Pipeline.objects.exclude(pk=held.pk))
    if _told(held) != before:
        held.save(update_fields=["name", "aliases", "retired_at"])
    moved = {}
    if stages is not None:
        moved = _replan(held, _checked(stages), now)
    deals = _rename(was, held, moved) if moved or held.name != was else 0
    after = _told(held)
    if after == before:
        return False
    about: dict[str, Any] = {"pipeline": held.pk}
    renamed = {"renamed": moved, "deals": deals} if moved or held.name != was else {}
    audit.record("pipeline.change", was, by=by, now=now, before=about | before, after=about | after | renamed)
    pipeline.refresh_from_db()
    return True


@transaction.atomic
def put_in_order(order: Sequence[int], *, by: User | None, now: datetime) -> bool:
    """Let the pipelines stand in this order (their numbers). True when it was another.

    Deals that name none are in the first one. Where another becomes the first, they name the one they were in from
    then on, so that no deal changes its pipeline. Raises BadValue.
    """
    held = {each.pk: each for each in Pipeline.objects.select_for_update()}
    if sorted(order) != sorted(held):
        raise BadValue("order", _("Name every pipeline once."))
    before = list(held)
    if list(order) == before:
        return False
    head, next_one = held[before[0]], held[order[0]]
    if next_one.retired_at:
        raise BadValue("order", _("The first pipeline takes deals that name none, so a retired one cannot be it."))
    if head != next_one:
        Deal.objects.filter(pipeline="").update(pipeline=head.name)
        DealChange.objects.filter(pipeline="").update(pipeline=head.name)
    for place, pk in enumerate(order):
        Pipeline.objects.filter(pk=pk).update(position=place)
    names = {pk: each.name for pk, each in held.items()}
    was, becomes = [names[pk] for pk in before], [names[pk] for pk in order]
    audit.record("pipeline.order", becomes[0], by=by, now=now, before={"order": was}, after={"order": becomes})
    return True


@transaction.atomic
def remove(pipeline: Pipeline, *, by: User | None, now: datetime) -> None:
    """Take a pipeline away that no deal names. Raises BadValue, also for the first one."""
    held = Pipeline.objects.select_for_update().get(pk=pipeline.pk)
    if Deal.objects.filter(pipeline=held.name).exists():
        raise BadValue("name", _("Deals are in it. Move them to another pipeline first."), "in_use")
    if held == first():
        raise BadValue("name", _("Deals that name no pipeline are in the first one, so it stays."), "in_use")
    audit.record("pipeline.remove", held.name, by=by, now=now, before=_told(held))
    held.delete()


def first() -> Pipeline | None:
    """The pipeline of deals that name none."""
    return Pipeline.objects.first()


def planned_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Its stages in order: `id`, `name`, `probability`, `kind`, and whether it is `retired`."""
    return [
        {"id": each.pk, "name": each.name, "probability": each.probability, "kind": each.kind,
         "retired": each.retired_at is not None}
        for each in pipeline.stages.all()
    ]  # fmt: skip


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


# ---- names from before ----


@dataclass(frozen=True)
class Renamed:
    """What former names mean now: `pipelines` by name, `stages` by pipeline (any of its names, or none) and name.

    All names in small letters; pipeline and stage are parted by the end of a line, which is in no name.
    """

    pipelines: dict[str, str]
    stages: dict[str, str]

    def pipeline(self, name: str) -> str:
        return self.pipelines.get(name.lower(), name)

    def stage(self, pipeline: str, name: str) -> str:
        return self.stages.get(_key(pipeline, name), name)

    def stages_called(self, name: str) -> set[str]:
        """The stages of all pipelines that a name means: that of today, and those that were called so."""
        return {name} | {now for said, now in self.stages.items() if said.partition("\n")[2] == name.lower()}


def renamed() -> Renamed:
    """What former names mean now. A stage named without a pipeline is that of the first, else of the only one."""
    planned = list(Pipeline.objects.prefetch_related("stages"))
    stages: dict[str, str] = {}
    for place, each in enumerate(planned):
        for stage in each.stages.all():
            for alias in stage.aliases:
                for called in (each.name, *each.aliases):
                    stages[_key(called, alias)] = stage.name
                if place == 0:
                    stages[_key("", alias)] = stage.name
    names = {stage.name.lower() for stage in planned[0].stages.all()} if planned else set()
    said: defaultdict[str, set[str]] = defaultdict(set)
    for each in planned[1:]:
        for stage in each.stages.all():
            for alias in stage.aliases:
                said[alias].add(stage.name)
    for alias, meant_by in said.items():
        if len(meant_by) == 1 and alias not in names:
            stages.setdefault(_key("", alias), meant_by.pop())
    return Renamed({alias: each.name for each in planned for alias in each.aliases}, stages)


def as_named(values: Mapping[str, Any], present: str = "") -> dict[str, Any]:
    """The values of a deal with `pipeline` and `stage` by their names of today; `present` is its pipeline so far."""
    told = dict(values)
    if not told.get("pipeline") and not told.get("stage"):
        return told
    known = renamed()
    if told.get("pipeline"):
        told["pipeline"] = known.pipeline(told["pipeline"])
    if told.get("stage"):
        told["stage"] = known.stage(told.get("pipeline", present), told["stage"])
    return told


# ---- what is open, and what was closed ----


def amounts(deals: QuerySet[Deal], today: date, *, bucket: str = "") -> Sql:
    """The relation of some deals that `rates.added` takes: a closed one on the day it was closed, an open one today."""
    chosen = deals.order_by().values("pk").query.sql_with_params()
    return sql(
        """SELECT {} AS bucket, deal.amount, deal.currency,
                  CASE WHEN deal.status = 'open' THEN {}::date ELSE (deal.closed_at AT TIME ZONE {})::date END AS day
           FROM audience_deal deal WHERE deal.id IN ({})""",
        Sql(f"deal.{bucket}" if bucket else "''"), today, str(installation.zone()), Sql(*chosen),
    )  # fmt: skip


def board(pipeline: Pipeline, deals: QuerySet[Deal], today: date) -> Board:
    """What is open among some deals, by stage: those planned, in order, then the others. Amounts by today's rates."""
    planned = {each.name: each for each in pipeline.stages.all()}
    open_ones = deals.filter(within(pipeline), status=Deal.Status.OPEN)
    told = rates.added(amounts(open_ones, today, bucket="stage"), rates.own())
    order = [name for name, each in planned.items() if each.kind == OPEN]
    # Open deals that stand in a closed stage, or in one that nobody planned, come last.
    order += [name for name, each in planned.items() if each.kind != OPEN]
    order += sorted({each.bucket for each in told.parts} - set(planned))
    columns = [Column(name, planned.get(name), told.of(name)) for name in order]
    shown = [each for each in columns if each.count or _takes_deals(each.stage)]
    likely = [each.weighted for each in shown if each.weighted is not None]
    return Board(shown, told, added(likely), sum(each.count for each in shown if each.weighted is None))


def closed(deals: QuerySet[Deal], since: datetime | None, until: datetime | None) -> Closed:
    """What was won and lost among some deals within [since, until). One statement."""
    over = deals.exclude(status=Deal.Status.OPEN)
    if since:
        over = over.filter(closed_at__gte=since)
    if until:
        over = over.filter(closed_at__lt=until)
    told = rates.added(amounts(over, date.max, bucket="status"), rates.own())
    won = told.of(WON)
    return Closed(won.count, told.of(LOST).count, won)


def _takes_deals(stage: PipelineStage | None) -> bool:
    return stage is not None and stage.kind == OPEN and stage.retired_at is None


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
    return {"name": stage, "probability": {"won": 100, "lost": 0}.get(kind), "kind": kind, "retired": False}


def added(sums: Any) -> dict[str, int]:
    """Sums by currency, added within each currency."""
    found: defaultdict[str, int] = defaultdict(int)
    for each in sums:
        for currency, amount in each.items():
            found[currency] += amount
    return dict(sorted(found.items()))


def _told(pipeline: Pipeline) -> dict[str, Any]:
    """A pipeline as the trail keeps it."""
    stages = [{name: value for name, value in each.items() if name != "id"} for each in planned_of(pipeline)]
    return {"name": pipeline.name, "retired": pipeline.retired_at is not None, "stages": stages}


def _replan(pipeline: Pipeline, planned: list[dict[str, Any]], now: datetime) -> dict[str, str]:
    """Let these be the stages of a pipeline; which were renamed, and what they are called now. Raises BadValue."""
    as_it_is = [{key: value for key, value in each.items() if key != "id"} for each in planned_of(pipeline)]
    if [{key: value for key, value in each.items() if key != "id"} for each in planned] == as_it_is and all(
        each["id"] in (None, held["id"]) for each, held in zip(planned, planned_of(pipeline), strict=True)
    ):
        return {}
    there = {each.pk: each for each in pipeline.stages.all()}
    claimed = {each["id"] for each in planned if each["id"]}
    if not claimed <= set(there):
        raise BadValue("stages", _("There is no such stage in this pipeline any more. Look again."), "unknown_stage")
    free = {each.name: each for pk, each in there.items() if pk not in claimed}
    names = {each["name"].lower() for each in planned}
    moved: dict[str, str] = {}
    stages: list[PipelineStage] = []
    for place, told in enumerate(planned):
        stage = there.get(told["id"] or 0) or free.pop(told["name"], None) or PipelineStage(pipeline=pipeline)
        if stage.pk and stage.name != told["name"]:
            moved[stage.name] = told["name"]
            stage.aliases = _aliases(stage, told["name"])
        stage.aliases = [each for each in stage.aliases if each not in names]  # who is called so now is meant
        stage.name, stage.probability, stage.kind, stage.position = (
            told["name"],
            told["probability"],
            told["kind"],
            place,
        )
        stage.retired_at = (stage.retired_at or now) if told["retired"] else None
        stages.append(stage)
    pipeline.stages.exclude(pk__in=[each.pk for each in stages if each.pk]).delete()
    for stage in stages:  # two may change their names
        if stage.pk and stage.name in moved.values():
            PipelineStage.objects.filter(pk=stage.pk).update(name=f"\n{stage.pk}")
    for stage in stages:
        stage.save()
    return moved


def _rename(was: str, pipeline: Pipeline, moved: Mapping[str, str]) -> int:
    """Let the deals of a pipeline, and their history, go by the new names; how many deals."""
    mine = sql("(deal.pipeline = {} OR deal.pipeline = '' AND {})", was, pipeline == first())
    told = sql("{}::jsonb", json.dumps(moved))
    run(
        sql(
            """UPDATE audience_dealstagechange change SET from_stage = coalesce({} ->> from_stage, from_stage),
                      to_stage = coalesce({} ->> to_stage, to_stage)
               FROM audience_deal deal WHERE deal.id = change.deal_id AND {} AND ({} ? from_stage OR {} ? to_stage)""",
            told, told, mine, told, told,
        )
    )  # fmt: skip
    renamed = run(
        sql(
            """UPDATE audience_deal deal SET stage = coalesce({} ->> stage, stage),
                      pipeline = CASE WHEN pipeline = {} THEN {} ELSE pipeline END
               WHERE {} AND ({} ? stage OR pipeline = {} AND {})""",
            told, was, pipeline.name, mine, told, was, was != pipeline.name,
        )
    )  # fmt: skip
    DealChange.objects.filter(pipeline=was).update(pipeline=pipeline.name)
    return renamed


def _aliases(held: Pipeline | PipelineStage, called: str) -> list[str]:
    """The former names of something that is called otherwise from now on."""
    return [each for each in dict.fromkeys([*held.aliases, held.name.lower()]) if each != called.lower()]


def _is_no_alias(name: str, pipelines: QuerySet[Pipeline]) -> None:
    """A name that is somebody's own means nobody else."""
    for each in pipelines.filter(aliases__contains=[name.lower()]):
        each.aliases.remove(name.lower())
        each.save(update_fields=["aliases"])


def _key(pipeline: str, stage: str) -> str:
    return f"{pipeline.lower()}\n{stage.lower()}"


def _named(name: str, but: Pipeline | None) -> str:
    name = " ".join(str(name or "").split())
    if not name or len(name) > 100 or "\x00" in name:
        raise BadValue("name", _("A name has between 1 and 100 letters."))
    others = Pipeline.objects.exclude(pk=but.pk) if but else Pipeline.objects.all()
    if others.filter(name__iexact=name).exists():
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
        retired = bool(each.get("retired"))
        planned.append(
            {"id": each.get("id"), "name": name, "probability": likely, "kind": str(kind), "retired": retired}
        )
    if not any(each["kind"] == OPEN and not each["retired"] for each in planned):
        raise BadValue("stages", _("A pipeline has at least one stage in which deals are open."))
    if len(planned) > MOST:
        raise BadValue("stages", _("A pipeline has at most %(most)s stages.") % {"most": MOST})
    if len({each["name"].lower() for each in planned}) < len(planned):
        raise BadValue("stages", _("Each stage can stand there only once."))
    return planned


def _share(amount: int, percent: int) -> int:
    return int((Decimal(amount) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))
