"""The stages of a lifecycle as reports list them, across its versions, and what a move between two is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db import models
from django.db.models import Case, Value, When
from django.utils.translation import gettext_lazy as _

from lifecycle.models import Lifecycle, Stage, Version
from lifecycle.querysets import IN_ORDER

EVER_LIVE = (Version.State.PUBLISHED, Version.State.PUBLISHING, Version.State.RETIRED)
OUTSIDE = ""  # the stage of those who are not in the model: before the first placement, after an exit


class Direction(models.TextChoices):
    """What a move is, seen from the stage it leaves."""

    PLACEMENT = "placement", _("first placement")
    DIRECT = "direct", _("to the next stage")
    SKIP = "skip", _("past the next stage")
    BACK = "back", _("back to an earlier stage")
    DETOUR = "detour", _("to a detour")
    RETURN = "return", _("back from a detour")
    EXIT = "exit", _("out of the model")
    OTHER = "other", _("from or to a former stage")


FORWARD = (Direction.DIRECT, Direction.SKIP)


@dataclass(frozen=True)
class Place:
    """One stage of the shown version, or of an earlier one that still counts somebody (`former`).

    `position` counts along the success path from 1; 0 is off it.
    """

    slug: str
    name: str
    phase: str = ""
    path: str = Stage.Path.SUCCESS
    kind: str = Stage.Kind.INVENTORY
    position: int = 0
    former: bool = False
    limit_hours: int = 0  # of working time, in an SLA stage
    calendar: str = ""  # by which it counts; empty: that of the settings

    @property
    def is_terminal(self) -> bool:
        return self.kind == Stage.Kind.TERMINAL

    @property
    def is_gate(self) -> bool:
        return self.kind == Stage.Kind.GATE


@dataclass(frozen=True)
class Plan:
    """A lifecycle's stages in the order of its funnel: the success path, then detours, ends off the path last."""

    lifecycle: Lifecycle
    version: Version
    places: tuple[Place, ...]

    @cached_property
    def success(self) -> tuple[Place, ...]:
        """The success path from its first stage to its last."""
        return tuple(place for place in self.places if place.position)

    @cached_property
    def _by_slug(self) -> dict[str, Place]:
        return {place.slug: place for place in self.places}

    @property
    def hand_offs(self) -> tuple[Place, ...]:
        """The stages of the success path that must be left within a limit of working hours, for the next one."""
        return tuple(place for place in self.success[:-1] if place.limit_hours)

    @property
    def detours(self) -> list[str]:
        """The stages off the success path from which one can come back, by their slugs."""
        return [each.slug for each in self.places if not (each.position or each.is_terminal or each.former)]

    def __contains__(self, slug: object) -> bool:
        return slug in self._by_slug

    def place(self, slug: str) -> Place:
        """The stage of this slug. Raises KeyError for an unknown one."""
        return self._by_slug[slug]

    def label(self, slug: str) -> str:
        """What a stage is called; words for being outside the model."""
        return str(_("outside the model")) if slug == OUTSIDE else self._by_slug[slug].name

    def next(self, slug: str) -> Place | None:
        """The next stage of the success path; None behind its last and off the path."""
        position = self._by_slug[slug].position
        return self.success[position] if 0 < position < len(self.success) else None

    def direction(self, source: str, target: str) -> Direction:
        """What a move from one stage to another is called."""
        if source == OUTSIDE:
            return Direction.PLACEMENT
        if target == OUTSIDE:
            return Direction.EXIT
        left, reached = self._by_slug[source], self._by_slug[target]
        if left.former or reached.former:
            return Direction.OTHER
        if not reached.position:
            return Direction.DETOUR
        if not left.position:
            return Direction.RETURN
        if reached.position < left.position:
            return Direction.BACK
        return Direction.DIRECT if reached.position == left.position + 1 else Direction.SKIP

    def targets(self, source: str, directions: Sequence[Direction]) -> list[str]:
        """The stages to which a move from `source` has one of these directions."""
        every = [OUTSIDE, *self._by_slug]
        return [slug for slug in every if slug != source and self.direction(source, slug) in directions]


def read(lifecycle: Lifecycle) -> Plan | None:
    """The plan of the live version, else of the newest that was ever live; None when none ever was.

    Stages that only earlier versions had are listed last, so that nobody who is in one is missing from a total.
    """
    preferred = Case(When(state=Version.State.RETIRED, then=Value(1)), default=Value(0))
    versions = list(lifecycle.versions.filter(state__in=EVER_LIVE).order_by(preferred, "-number"))
    if not versions:
        return None
    stages = list(Stage.objects.filter(version__in=versions).order_by("-version__number", "order"))
    shown = [stage for stage in stages if stage.version_id == versions[0].pk]
    return Plan(lifecycle, versions[0], (*_in_order(shown), *_former(shown, stages)))


def readable() -> list[Lifecycle]:
    """The lifecycles that have a funnel: those with a version that is or was live, new ones, customers, partners."""
    return list(Lifecycle.objects.filter(versions__state__in=EVER_LIVE).distinct().order_by(*IN_ORDER))


def _in_order(stages: Sequence[Stage]) -> list[Place]:
    success = [stage for stage in stages if stage.path == Stage.Path.SUCCESS]
    detours = [stage for stage in stages if stage.path != Stage.Path.SUCCESS]
    detours.sort(key=lambda stage: (stage.kind == Stage.Kind.TERMINAL, stage.order))
    along = [_place(stage, position) for position, stage in enumerate(success, 1)]
    return along + [_place(stage, 0) for stage in detours]


def _former(shown: Sequence[Stage], stages: Sequence[Stage]) -> list[Place]:
    seen = {stage.slug for stage in shown}
    former = []
    for stage in stages:
        if stage.slug not in seen:
            seen.add(stage.slug)
            former.append(_place(stage, 0, former=True))
    return former


def _place(stage: Stage, position: int, *, former: bool = False) -> Place:
    limit = stage.limit_hours or 0 if stage.kind == Stage.Kind.SLA else 0
    named = stage.calendar if limit else ""
    return Place(stage.slug, stage.name, stage.phase, stage.path, stage.kind, position, former, limit, named)
