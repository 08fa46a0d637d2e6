"""A version as it reads: its conditions, rules and delays as sentences."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.conditions import describe, tree
from lifecycle.models import Transition


def sentence(condition: Any, of: str) -> str:
    """A condition in words; what is wrong with one that cannot be asked any more."""
    try:
        return describe.sentence(tree.parse(condition, of=of))
    except tree.ConditionError as error:
        return _("cannot be asked: %(why)s") % {"why": error.message}


def way(rule: Transition) -> str:
    """From where to where."""
    return f"{rule.from_stage or _('any stage')} → {rule.to_stage}"


def when(rule: Transition) -> str:
    """When a rule moves somebody; `rule.version.lifecycle` is read."""
    of = rule.version.lifecycle.of
    if rule.on_missed:
        return _("when the limit is missed")
    if rule.by_hand:
        return _("by hand, if %(guard)s") % {"guard": sentence(rule.guard, of)} if rule.guard else _("by hand")
    told = sentence(rule.condition, of)
    return _("%(delay)s after this came to hold, if it still does: %(when)s") % {
        "delay": delay(rule),
        "when": told,
    } if rule.delay else told  # fmt: skip


def rule(rule: Transition) -> str:
    """The whole of a rule: when, and what is noted as its reason."""
    return f"{when(rule)} ({rule.reason or rule.name})" if rule.reason or rule.name else when(rule)


def delay(rule: Transition) -> str:
    """How long a rule waits: “3 days”."""
    count = rule.delay or 0
    words = {
        Transition.Unit.HOURS: ngettext("%(count)s hour", "%(count)s hours", count),
        Transition.Unit.DAYS: ngettext("%(count)s day", "%(count)s days", count),
        Transition.Unit.WORKING_HOURS: ngettext("%(count)s working hour", "%(count)s working hours", count),
    }
    return words[Transition.Unit(rule.delay_unit)] % {"count": count} if rule.delay_unit else ""
