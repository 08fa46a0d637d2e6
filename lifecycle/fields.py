"""What conditions may ask about stages: where a subject is now, has ever been, for how long, whether stuck or late."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from audience.conditions.moment import Span
from audience.conditions.operators import fold
from audience.conditions.registry import Ask, Field, Relation, register_family
from kit.sql import Sql, sql
from lifecycle.engine import limits, stalled
from lifecycle.ledger import ledgers, whereabouts
from lifecycle.models import Lifecycle, Stage


def register_all() -> None:
    """Make the stages of every lifecycle known to the condition language."""
    register_family("stage.", _every)


def of_lifecycle(slug: str, name: str, of: str, stages: Iterable[tuple[str, str]]) -> list[Field]:
    """The six fields of one lifecycle, with its stages as (slug, name); the lifecycle need not stand in rows yet."""
    choices = tuple(dict(stages).items())
    kinds = frozenset({of})
    group = _("Stages")
    here = Relation(lambda ask: whereabouts.here(slug, ask, _wanted(ask)), lambda ask, span: _moved(slug, span))
    return [
        Field(
            f"stage.{slug}",
            _("stage in %(lifecycle)s") % {"lifecycle": name},
            "choice",
            kinds,
            here,
            choices=choices,
            group=group,
        ),
        Field(
            f"stage.{slug}.ever",
            _("has, in %(lifecycle)s, ever been in") % {"lifecycle": name},
            "ever",
            kinds,
            Relation(lambda ask: _ever(slug, ask), lambda ask, span: _moved(slug, span)),
            choices=choices,
            group=group,
        ),
        Field(
            f"stage.{slug}.days_in",
            _("days in the stage of %(lifecycle)s") % {"lifecycle": name},
            "number",
            kinds,
            Relation(lambda ask: whereabouts.here(slug, ask), lambda ask, span: _aged(slug, ask, span), read=_days_in),
            timed=True,
            group=group,
        ),
        Field(
            f"stage.{slug}.stalled",
            _("stalled in %(lifecycle)s, with no sign of life") % {"lifecycle": name},
            "yes_no",
            kinds,
            Relation(lambda ask: stalled.answers(slug, ask), lambda ask, span: stalled.touched(slug, ask, span)),
            windowed=True,
            timed=True,
            group=group,
        ),
        Field(
            f"stage.{slug}.limit",
            _("has, in this pass of %(lifecycle)s, a limit that is") % {"lifecycle": name},
            "ever",
            kinds,
            Relation(lambda ask: limits.standing(slug, ask), lambda ask, span: limits.touched(slug, ask, span)),
            choices=limits.CHOICES,
            fades=True,  # by time alone it is missed; since when says the deadline
            group=group,
        ),
        Field(
            f"stage.{slug}.hours_over",
            _("working hours over the limit in %(lifecycle)s") % {"lifecycle": name},
            "number",
            kinds,
            Relation(
                lambda ask: limits.hours_over(slug, ask), lambda ask, span: limits.touched_by_hours(slug, ask, span)
            ),
            timed=True,
            group=group,
        ),
    ]


def _every() -> Iterable[Field]:
    stages = Prefetch("versions__stages", Stage.objects.order_by("version__number", "order"))
    for each in Lifecycle.objects.prefetch_related(stages).order_by("slug"):
        named = [(stage.slug, stage.name) for version in each.versions.all() for stage in version.stages.all()]
        yield from of_lifecycle(each.slug, each.name, each.of, named)


def _wanted(ask: Ask) -> list[str] | None:
    """The stages of which one must be the subject's; None for any, and of chosen subjects, whose stage may be shown."""
    return None if ask.chosen or ask.operator.name not in ("is", "in") else _named(ask)


def _named(ask: Ask) -> list[str]:
    return [fold(each) for each in (ask.operand if isinstance(ask.operand, tuple) else (ask.operand,))]


def _ever(slug: str, ask: Ask) -> Sql:
    """Those of the stages asked for that a subject has come to, and when first to one of them."""
    return sql(
        """SELECT m.subject_id, array_agg(DISTINCT g.slug::text) AS value, min(v.occurred_at) AS evidence
           FROM {} m
           JOIN {} v ON v.membership_id = m.id
           JOIN lifecycle_stage g ON g.id = v.to_stage_id
           WHERE {}{} AND {} AND g.slug = ANY ({}) GROUP BY m.subject_id""",
        ledgers.of(slug).memberships,
        ledgers.of(slug).movements,
        whereabouts.passes(slug),
        ask.only("m.subject_id"),
        ask.moment.counts("v"),
        _named(ask),
    )


def _days_in(alias: str, ask: Ask) -> Sql:
    return sql(f"(CASE WHEN {alias}.value IS NOT NULL THEN {{}} END)", ask.moment.days_since(Sql(f"{alias}.evidence")))


def _moved(slug: str, span: Span) -> list[Sql]:
    return [whereabouts.with_movement(slug, span.within("v.occurred_at"))]


def _aged(slug: str, ask: Ask, span: Span) -> list[Sql]:
    """Also those whose stay reaches an age that the leaf asks for: their last movement is that old.

    Any movement that old is taken, which is complete and needs no ordering.
    """
    crosses = span.instant_crosses("v.occurred_at", ask.operator.ages(ask.operand))
    return [*_moved(slug, span), whereabouts.with_movement(slug, crosses)] if crosses else _moved(slug, span)
