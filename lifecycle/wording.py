"""Moves in words: how one came about, which way it went, and what somebody is told who came too late with another."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from kit import writing
from lifecycle import stages
from lifecycle.models import Membership, Movement


def how(movement: Movement) -> str:
    """How a movement came about, with who did it where somebody did."""
    if movement.actor and movement.actor != "system":
        return _("%(how)s (%(who)s)") % {"how": movement.get_kind_display(), "who": movement.actor}
    return movement.get_kind_display()


def way(movement: Movement) -> str:
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
