"""A stage that is handed to sales, as a document says it: where the answers may lead, and how that reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.models import Stage

ACCEPT, REJECT, LATER = ANSWERS = ("accept", "reject", "later")
STAY, PASS_ON = UNANSWERED = ("stay", "pass_on")  # what becomes of a hand-off that nobody answered in time
HOLDS_NOBODY = (Stage.Kind.GATE, Stage.Kind.TERMINAL)


def fault(stages: Sequence[Mapping[str, Any]], slug: str) -> tuple[str, str] | None:
    """What is wrong with where the answers of a stage lead: the answer ("" for the stage itself), and why, in words.

    They lead to stages that hold people, and "not now" to one from which they can come back. Reports count a move
    ahead as accepted and any other as not, so only accepting leads ahead.
    """
    places = {each["slug"]: place for place, each in enumerate(stages)}
    here = stages[places[slug]]
    if here["kind"] in HOLDS_NOBODY:
        return "", _("nobody waits in this stage, so nobody can be handed over from it")
    for key in ANSWERS:
        target = here["hand_off"].get(key)
        if key == LATER and target is None:
            continue
        if not isinstance(target, str) or target not in places or target == slug:
            return key, _("is not another stage")
        there, told = stages[places[target]], {"stage": stages[places[target]]["name"]}
        if there["kind"] == Stage.Kind.GATE:
            return key, _("“%(stage)s” is a gate, which holds nobody") % told
        is_ahead = places[target] > places[slug] and there["path"] == Stage.Path.SUCCESS
        if key == ACCEPT and not is_ahead:
            return key, _("“%(stage)s” is not ahead on the success path") % told
        if key != ACCEPT and is_ahead:
            return key, _("“%(stage)s” is ahead, which would count as accepted") % told
        if key == LATER and there["kind"] == Stage.Kind.TERMINAL:
            return key, _("“%(stage)s” is where a pass ends, so nobody can come back from it") % told
    return None


def ways(hand_off: Mapping[str, Any] | None, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Where each answer leads: (answer, slug), "not now" only where it can be given. `kinds` are the stages by slug."""
    told = hand_off or {}
    for key in ANSWERS:
        slug = told.get(key) or (told.get(REJECT, "") if key == LATER else "")
        if slug in kinds and not (key == LATER and kinds[slug] == Stage.Kind.TERMINAL):
            yield key, slug


def when(answer: str) -> str:
    """When a member of the stage goes the way of an answer."""
    return {ACCEPT: _("sales accepts"), REJECT: _("sales rejects"), LATER: _("sales says “not now”")}[answer]


def sentences(stage: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a stage's hand-off does, answer by answer; nothing where nobody is handed over."""
    told = stage.get("hand_off")
    if not told:
        return []
    names = {each["slug"]: each["name"] for each in stages}
    to = dict(ways(told, {each["slug"]: each["kind"] for each in stages}))
    said = {ACCEPT: _("Accepted: to “%(stage)s”."), REJECT: _("Rejected: to “%(stage)s”."),
            LATER: _("Not now: waits in “%(stage)s” and comes back on the day that was said.")}  # fmt: skip
    lines = [said[key] % {"stage": names[slug]} for key, slug in to.items()]
    if LATER not in to:
        lines.append(_("Not now: cannot be answered, because a pass ends where the rejected go."))
    return [*lines, _unanswered(stage, names)]


def _unanswered(stage: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What becomes of whom nobody answers, and how the time for that is reckoned."""
    hours = stage.get("limit_hours")
    if stage["kind"] != Stage.Kind.SLA or not hours:
        return _("Nobody answers: waits on, because no limit runs here.")
    limit = ngettext("%(count)s working hour", "%(count)s working hours", hours) % {"count": hours}
    if moved := stage.get("when_missed"):
        words = _("Nobody answers within %(limit)s of the arrival: goes to “%(stage)s”.")
        return words % {"limit": limit, "stage": names[moved["to"]]}
    if stage["hand_off"].get("missed") == PASS_ON:
        words = _("Nobody answers within %(limit)s of the arrival: counts as missed, and the next colleague is asked.")
    else:
        words = _("Nobody answers within %(limit)s of the arrival: counts as missed, and waits on.")
    return words % {"limit": limit}
