"""A condition tried out while it is being written: what it says, what is wrong with it, how many and who."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DataError
from django.utils.translation import gettext as _

from audience.conditions import compile, describe, tree
from audience.conditions.registry import Field
from audience.conditions.tree import ConditionError
from kit import reading
from kit.sql import rows, sql

PATIENCE = 10  # seconds
SAMPLE = 10


@dataclass(frozen=True)
class Trial:
    """The answer: a sentence, or the errors; how many hold (None when nobody could tell, and `trouble` says why)."""

    sentence: str = ""
    errors: list[ConditionError] = field(default_factory=list)
    count: int | None = None
    sample: list[int] = field(default_factory=list)
    trouble: str = ""


def of(
    data: Any, *, of: str, at: datetime, coming: Iterable[Field] = (), patience: float = PATIENCE, sample: int = SAMPLE
) -> Trial:
    """Ask a condition as of an instant; it can neither write nor take longer than `patience` seconds.

    The count and the sample (the newest first) are of one statement, so they speak of the same people.
    """
    coming = list(coming)
    errors = tree.problems(data, of=of, coming=coming)
    if errors:
        return Trial(errors=errors)
    node = tree.parse(data, of=of, coming=coming)
    sentence = describe.sentence(node)
    held = compile.members(node, of=of, at=at)
    asked = sql(
        "WITH held AS MATERIALIZED ({}) SELECT (SELECT count(*) FROM held), "
        "ARRAY(SELECT subject_id FROM held ORDER BY subject_id DESC LIMIT {})",
        held,
        sample,
    )
    try:
        with reading.only(patience):
            ((count, some),) = rows(asked)
    except reading.TooSlow:
        return Trial(
            sentence, trouble=_("This takes too long to count while you wait. Narrow it, or save it as it is.")
        )
    except DataError:
        return Trial(
            sentence, trouble=_("A value in it is too large or too odd to be compared with. Look over the values.")
        )
    return Trial(sentence, count=count, sample=list(some))
