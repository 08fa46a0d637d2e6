"""Moves made by hand although a guard did not hold, and what came of each since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db import models
from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils.translation import gettext_lazy as _

from kit.models import User
from lifecycle.engine import guards
from lifecycle.models import Lifecycle, Movement, Stage, Transition, Version

Kind = Movement.Kind
Way = tuple[int, int | None, int | None]  # version, from, to


class Result(models.TextChoices):
    """What came of a move: the next one of the same pass. A new version's is none, nobody took a step by it."""

    THERE = "there", _("still there")
    ON = "on", _("went on")
    BACK = "back", _("returned")
    DETOUR = "detour", _("went on a detour")
    LEFT = "left", _("left the lifecycle")
    UNDONE = "undone", _("taken back")


def made() -> QuerySet[Movement]:
    """Every such move with `result` and `result_at`, and its stages, version, lifecycle and membership.

    Returned: to the stage that the move had left, or to an earlier one of the success path.
    """
    later = Movement.objects.filter(membership=OuterRef("membership"), seq__gt=OuterRef("seq"))
    following = later.exclude(kind=Kind.MIGRATION).order_by("seq")
    on_path = Q(from_stage__path=Stage.Path.SUCCESS, to_stage__path=Stage.Path.SUCCESS)
    back = Q(on_path, to_stage__order__lt=F("from_stage__order")) | Q(to_stage__slug=OuterRef("from_stage__slug"))
    came = Case(
        When(kind=Kind.UNDO, then=Value(Result.UNDONE)),
        When(to_stage=None, then=Value(Result.LEFT)),
        When(back, then=Value(Result.BACK)),
        When(to_stage__path=Stage.Path.DETOUR, then=Value(Result.DETOUR)),
        default=Value(Result.ON),
        output_field=models.CharField(),
    )
    told = Movement.objects.filter(overrides=True).annotate(
        next_result=Subquery(following.values(came=came)[:1]), result_at=Subquery(following.values("occurred_at")[:1])
    )
    whole = told.annotate(result=models.functions.Coalesce("next_result", Value(Result.THERE)))
    return whole.select_related(
        "version__lifecycle", "from_stage", "to_stage", "membership__person", "membership__account", "membership__stage"
    )


def of_lifecycle(lifecycle: Lifecycle) -> QuerySet[Movement]:
    """Those of one lifecycle, in whatever version."""
    return made().filter(version__in=list(lifecycle.versions.all()))


def of_team(rows: QuerySet[Movement], team: int) -> QuerySet[Movement]:
    """Those that users of a team made, themselves or by a key of theirs."""
    return rows.filter(_by(User.objects.filter(team=team).values_list("email", flat=True)))


def of_person(rows: QuerySet[Movement], actor: str) -> QuerySet[Movement]:
    """Those that somebody made, themselves or by a key of theirs."""
    return rows.filter(_by([actor]))


def person_of(actor: str) -> str:
    """Who an actor of the ledger is, without the key that spoke for them."""
    return actor.partition(" (")[0]


def _by(emails: Iterable[str]) -> Q:
    by = Q(pk=None)
    for email in emails:
        by |= Q(actor=email) | Q(actor__startswith=f"{email} (")
    return by


def with_guards(rows: Iterable[Movement]) -> list[Movement]:
    """The moves, each with its guard in words (`guard`): one query for all, as published versions never change."""
    found = list(rows)
    words = guards_of({_way(each) for each in found}, {each.version_id: each.version for each in found})
    for each in found:
        each.guard = words[_way(each)]  # type: ignore[attr-defined]
    return found


def guards_of(ways: Collection[Way], versions: Mapping[int, Version]) -> dict[Way, str]:
    """What must hold to move by hand on each of these ways, in words: one query for all."""
    rules = Transition.objects.filter(
        by_hand=True, version__in={version for version, *_ends in ways}, to_stage__in={to for *_from, to in ways}
    )
    there = list(rules.order_by("priority")) if ways else []
    return {
        way: guards.in_words([rule for rule in there if _is_on(rule, way)], versions[way[0]].lifecycle.of)
        for way in ways
    }


def _way(move: Movement) -> Way:
    return move.version_id, move.from_stage_id, move.to_stage_id


def _is_on(rule: Transition, way: Way) -> bool:
    version, source, target = way
    return (rule.version_id, rule.to_stage_id) == (version, target) and rule.from_stage_id in (None, source)
