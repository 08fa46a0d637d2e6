"""How what the verbs of the audience refuse is told to programs."""

from __future__ import annotations

from audience import importing, merging, segments, topics
from audience.activity import channels, kinds, retractions
from audience.conditions.tree import MOST_NODES, ConditionError
from audience.subjects import custom, erasure, titles
from audience.subjects.people import BadValue
from audience.webforms import editing
from kit.api import problems
from kit.api.problems import Problem

CONFLICTS = ("email_taken", "already_there", "in_use")  # with another row; all else is wrong by itself
STATUS = {"body_too_large": 413} | dict.fromkeys(
    ("busy", "done", "rolled_back", "nothing_written", "not_traced", "in_use", "name_taken"), 409
)


def register_all() -> None:
    """Tell the kit of every refusal of this floor."""
    problems.register(BadValue, _bad_value)
    problems.register(ConditionError, _condition)
    problems.register(segments.Refused, _segment)
    problems.register(importing.Refused, _import)
    problems.register(custom.Refused, _field)
    problems.register(editing.Refused, problems.refusal(409, "form_refused"))
    problems.register(kinds.Refused, problems.refusal(409, "kind_refused"))
    problems.register(channels.Refused, problems.refusal(409, "channel_refused"))
    problems.register(retractions.Refused, _retraction)
    problems.register(erasure.Refused, problems.refusal(409, "erase_refused"))
    problems.register(titles.Refused, problems.refusal(409, "rules_refused"))
    problems.register(merging.Refused, lambda refused: Problem(409, refused.code, str(refused)))
    problems.register(topics.Refused, problems.refusal(409, "topic_refused"))


def _bad_value(bad: BadValue) -> Problem:
    status = 409 if bad.code in CONFLICTS else 400
    return Problem(status, bad.code, bad.message, field=bad.field or None)


def _field(refused: custom.Refused) -> Problem:
    users = [{"what": str(each.what), "name": each.name} for each in refused.users]
    return Problem(409, "field_refused", str(refused), field=refused.field, users=users or None)


def _condition(error: ConditionError) -> Problem:
    """`field` is the path to the node within the body, `node` the same as the condition's own steps."""
    limit = MOST_NODES if error.code == "too_many" else None
    path = ".".join(("condition", *error.steps))
    return Problem(400, error.code, error.message, field=path, node=list(error.steps), limit=limit)


def _segment(refused: segments.Refused) -> Problem:
    users = [{"what": str(each.what), "name": each.name} for each in refused.users]
    return Problem(409 if users else 400, "in_use" if users else "segment_refused", str(refused), users=users or None)


def _retraction(refused: retractions.Refused) -> Problem:
    status = 400 if refused.code == "retraction_refused" else 409
    return Problem(status, refused.code, str(refused))


def _import(refused: importing.Refused) -> Problem:
    return Problem(STATUS.get(refused.code, 400), refused.code, refused.message)
