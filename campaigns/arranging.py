"""Changing the order of a draft's steps: one place up or down the page, taken out, and put back as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns import flows, plans
from campaigns.flows import Node
from campaigns.models import CampaignVersion, Step
from kit import audit
from kit.models import User

Arm = Step.Arm
KEPT = ("kind", "name", "content_id", "condition", "lifecycle_id", "stage", "settings")


@dataclass(frozen=True)
class Place:
    """Where a step stands: in an arm of `parent` or at the top, the nth (from 1) among its brothers."""

    parent: Step | None
    arm: str
    position: int


def above(nodes: Sequence[Node], step: Step) -> Place | None:
    """One place up the page, which leads into the arms of a branch above and out of those around; None at the top."""
    brothers, at, around = _find(nodes, step)
    if at:
        before = brothers[at - 1]
        if before.parts:
            return Place(before.step, Arm.NO, len(before.no) + 1)
        return Place(step.parent, step.arm, at)
    if around is None:
        return None
    if step.arm == Arm.NO:
        return Place(around.step, Arm.YES, len(around.yes) + 1)
    return Place(around.step.parent, around.step.arm, _find(nodes, around.step)[1] + 1)


def below(nodes: Sequence[Node], step: Step) -> Place | None:
    """One place down the page, the way of `above` back; None at the end."""
    brothers, at, around = _find(nodes, step)
    if at + 1 < len(brothers):
        behind = brothers[at + 1]
        if behind.parts:
            return Place(behind.step, Arm.YES, 1)
        return Place(step.parent, step.arm, at + 2)
    if around is None:
        return None
    if step.arm == Arm.YES:
        return Place(around.step, Arm.NO, 1)
    return Place(around.step.parent, around.step.arm, _find(nodes, around.step)[1] + 2)


def take_out(step: Step, *, by: User | None, now: datetime) -> dict[str, Any]:
    """Remove a step with all in its arms; what `put_back` needs to make it as it was. Raises plans.Refused."""
    nodes = flows.tree(step.version)
    brothers, at, _around = _find(nodes, step)
    taken = {"parent": step.parent_id, "arm": step.arm, "position": at + 1, "step": _told(brothers[at])}
    plans.remove_step(step, by=by, now=now)
    return taken


@transaction.atomic
def put_back(version: CampaignVersion, taken: dict[str, Any], *, by: User | None, now: datetime) -> Step:
    """Make steps that were taken out again, under their old keys and where they stood.

    Raises plans.Refused when the version was launched meanwhile or the branch around them is gone.
    """
    parent = version.steps.filter(pk=taken["parent"]).first() if taken["parent"] else None
    place = Place(parent, taken["arm"], taken["position"])
    made = _made(version, taken["step"], place)
    after = {"step": made.key, "kind": made.kind, "place": made.position}
    audit.record("campaign.step_put_back", str(version), by=by, now=now, after=after)
    return made


def _find(nodes: Sequence[Node], step: Step, around: Node | None = None) -> tuple[Sequence[Node], int, Node | None]:
    """The step's brothers, its place among them from 0, and the node whose arm that is. Raises LookupError."""
    for at, node in enumerate(nodes):
        if node.step.pk == step.pk:
            return nodes, at, around
    for node in nodes:
        for arm in (node.yes, node.no):
            try:
                return _find(arm, step, node)
            except LookupError:
                continue
    raise LookupError(step.pk)


def _told(node: Node) -> dict[str, Any]:
    told = {name: getattr(node.step, name) for name in ("key", *KEPT)}
    return told | {"yes": [_told(each) for each in node.yes], "no": [_told(each) for each in node.no]}


def _made(version: CampaignVersion, told: dict[str, Any], place: Place) -> Step:
    values = {name: told[name] for name in KEPT}
    made = plans.add_step(
        version, values.pop("kind"), parent=place.parent, arm=place.arm, position=place.position, **values
    )
    if not version.steps.filter(key=told["key"]).exists():
        made.key = told["key"]
        made.save(update_fields=["key"])
    for arm in Arm.values:
        for number, each in enumerate(told[arm], 1):
            _made(version, each, Place(made, arm, number))
    return made
