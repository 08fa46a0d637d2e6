"""What somebody has cleaned up: two of the sixty who are there twice are made one, and one who asked for it is erased.

The others wait on the page of duplicates, among namesakes who are not the same. Whoever is merged has the source of who
stays, so that no figure by source changes; whoever is erased has looked at the shop and left its letters.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from audience.merging import duplicates, merges
from audience.models import Activity, Duplicate, Merge, Person
from audience.subjects import erasure
from kit.models import User

MERGED = 2
TWICE = re.compile(r"[a-z]\d{5}\.")  # how the second address of who is there twice begins; a namesake's does not


def _is_second(person: Any) -> bool:
    return TWICE.match(person.email) is not None


def tidy(*, by: User | None, now: datetime) -> None:
    """Find duplicates, make each of the first pairs one, and erase; what is done already is left as it is."""
    if not Duplicate.objects.exists():
        duplicates.find(now)
    pairs = Duplicate.objects.filter(of="person", state=Duplicate.State.OPEN).order_by("-confidence", "pk")
    people = duplicates.subjects_of(list(pairs))
    both = [(people[each.one_id], people[each.other_id]) for each in pairs]
    # Who stays is the one whose address is the first.
    alike = [
        sorted(two, key=_is_second)
        for two in both
        if two[0].source == two[1].source and any(map(_is_second, two))  # type: ignore[union-attr]
    ]
    for survivor, other in alike[: MERGED - Merge.objects.filter(undone_at=None).count()]:
        merges.merge(survivor, other, by=by, now=now)
    if not Person.objects.filter(erased_at__isnull=False).exclude(pk__in=Merge.objects.values("merged_id")).exists():
        left = Activity.objects.filter(kind__slug="unsubscribed", person__erased_at=None).order_by("occurred_at", "pk")
        first = left.select_related("person").first()
        assert first is not None and first.person is not None  # some of the shop's people have left its letters
        erasure.erase(first.person, by=by, now=now)
