"""The flow of a version as a tree, and laid out as a path: where a subject goes from each step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from campaigns.models import CampaignVersion, Step

Kind = Step.Kind
PARTING = frozenset({Kind.BRANCH, Kind.WAIT_UNTIL})  # have two arms
ASKING = PARTING | {Kind.GOAL}  # have a condition


@dataclass
class Node:
    """One step, with what is in its arms: `yes` when its condition holds (or came to), `no` when not (in time)."""

    step: Step
    yes: list[Node] = field(default_factory=list)
    no: list[Node] = field(default_factory=list)

    @property
    def parts(self) -> bool:
        """Whether the path parts here."""
        return self.step.kind in PARTING


def tree(version: CampaignVersion) -> list[Node]:
    """The steps at the top, in their order, each with those in its arms; in one query."""
    steps = version.steps.select_related("content", "content_version", "lifecycle").order_by("position", "pk")
    brothers: dict[tuple[int | None, str], list[Node]] = defaultdict(list)
    for step in steps:
        brothers[step.parent_id, step.arm].append(Node(step))
    for nodes in list(brothers.values()):
        for node in nodes:
            node.yes = brothers.get((node.step.pk, Step.Arm.YES), [])
            node.no = brothers.get((node.step.pk, Step.Arm.NO), [])
    return brothers.get((None, ""), [])


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """Every node, from the top down, a branch before what is in its arms."""
    for node in nodes:
        yield node
        yield from walk(node.yes)
        yield from walk(node.no)


def lay_out(version: CampaignVersion) -> None:
    """Write down where a subject goes from each step. Arms lead on to what stands behind their branch."""
    Step.objects.bulk_update(laid_out(version), ["next", "other"])


def laid_out(version: CampaignVersion) -> list[Step]:
    """The steps from the top down, each with where a subject goes from it; a draft's are not written down by that."""
    top = tree(version)
    _chain(top, None)
    return [node.step for node in walk(top)]


def first(version: CampaignVersion) -> Step | None:
    """Where everybody begins."""
    return version.steps.filter(parent=None).order_by("position").first()


def _chain(nodes: Sequence[Node], behind: Step | None) -> None:
    followers = [*(node.step for node in nodes[1:]), behind]
    for node, after in zip(nodes, followers, strict=False):
        _chain(node.yes, after)
        _chain(node.no, after)
        if node.step.kind == Kind.EXIT:
            node.step.next = None
        else:
            node.step.next = node.yes[0].step if node.yes else after
        node.step.other = (node.no[0].step if node.no else after) if node.parts else None
