"""What is wrong with a draft, each thing at the place that it is about."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lifecycle.editions import checking
from lifecycle.editions.checking import Finding
from lifecycle.models import Version

WHOLE = "model"


def by_place(version: Version, document: dict[str, Any]) -> dict[str, list[Finding]]:
    """The findings of a draft by place: a stage's short name, a rule's number, or WHOLE for what is about neither."""
    found: dict[str, list[Finding]] = defaultdict(list)
    rules = len(document["transitions"])
    missed = [each["slug"] for each in document["stages"] if each.get("when_missed")]
    for each in checking.findings(version):
        if each.rule is not None and each.rule <= rules:
            found[str(each.rule)].append(each)
        elif each.rule is not None:  # what happens when a limit is missed is told with its stage
            found[missed[each.rule - rules - 1]].append(each)
        else:
            found[each.stage or WHOLE].append(each)
    return found
