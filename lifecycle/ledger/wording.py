"""Moves in words: how one came about, which way it went, and what somebody is told who came too late with another."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kit import writing
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Stage


class Way(models.TextChoices):
    """Which way a move led, seen from the stage that it left."""

    PLACEMENT = "placement", gettext_lazy("first placement")
    DIRECT = "direct", gettext_lazy("to the next stage")
    SKIP = "skip", gettext_lazy("past the next stage")
    BACK = "back", gettext_lazy("back to an earlier stage")
    DETOUR = "detour", gettext_lazy("to a detour")
    RETURN = "return", gettext_lazy("back from a detour")
    EXIT = "exit", gettext_lazy("out of the model")
    EDITION = "edition", gettext_lazy("the same stage in another version")
    VERSION = "version", gettext_lazy("by another version of the lifecycle")


def with_skipped(moves: QuerySet[Movement]) -> QuerySet[Movement]:
    """Movements, each with the names of the stages of the success path that it went past (`skipped`)."""
    path = Stage.objects.filter(version=OuterRef("to_stage__version"), path=Stage.Path.SUCCESS)
    between = path.filter(order__gt=OuterRef("from_stage__order"), order__lt=OuterRef("to_stage__order"))
    return moves.annotate(skipped=ArraySubquery(between.order_by("order").values("name")))


def way(movement: Movement) -> Way:
    """Which way a movement of `with_skipped` led."""
    left, reached = movement.from_stage, movement.to_stage
    if left is None:
        return Way.PLACEMENT
    if reached is None:
        return Way.EXIT
    if left.version_id != reached.version_id:
        return Way.EDITION if left.slug == reached.slug else Way.VERSION
    if reached.path == Stage.Path.DETOUR:
        return Way.DETOUR
    if left.path == Stage.Path.DETOUR:
        return Way.RETURN
    if reached.order < left.order:
        return Way.BACK
    return Way.SKIP if movement.skipped else Way.DIRECT  # type: ignore[attr-defined]


def passed(movement: Movement) -> str:
    """What is worth saying of the way of a movement of `with_skipped`; empty for one to the next stage."""
    led = way(movement)
    if led is Way.SKIP:
        return _("past %(stages)s") % {"stages": ", ".join(f"“{each}”" for each in movement.skipped)}  # type: ignore[attr-defined]
    return str(led.label) if led in (Way.BACK, Way.RETURN, Way.EDITION) else ""


def how(movement: Movement) -> str:
    """How a movement came about, with who did it where somebody did."""
    if movement.actor and movement.actor != "system":
        return _("%(how)s (%(who)s)") % {"how": movement.get_kind_display(), "who": movement.actor}
    return movement.get_kind_display()


def from_to(movement: Movement) -> str:
    """From where to where."""
    if movement.from_stage is None:
        return _("the placement in “%(to)s”") % {"to": movement.to_stage}
    if movement.to_stage is None:
        return _("out of the lifecycle from “%(from)s”") % {"from": movement.from_stage}
    return _("“%(from)s” → “%(to)s”") % {"from": movement.from_stage, "to": movement.to_stage}


def too_late(membership: Membership, now: datetime) -> str:
    """What a loser of a race is told: who was first, how long ago, and why."""
    last = stages.last_movement(membership)
    if last is None:
        return _("Not moved: somebody else changed this at the same moment. Look again, then decide.")
    told = {
        "to": last.to_stage or _("out of the lifecycle"),
        "how": how(last),
        "ago": writing.span(max(now - last.recorded_at, timedelta(0))),
        "why": f" ({last.reason})" if last.reason else "",
    }
    return _("Not moved: it was changed to “%(to)s” %(how)s %(ago)s ago%(why)s. Look again, then decide.") % told
