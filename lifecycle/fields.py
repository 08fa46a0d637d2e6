"""What conditions may ask about stages: where a subject is now, where it has ever been, for how many days."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from audience.conditions.moment import Span
from audience.conditions.operators import fold
from audience.conditions.registry import Ask, Field, Relation, register_family
from kit.sql import Sql, sql
from lifecycle import ledgers
from lifecycle.models import Lifecycle, Stage


def register_all() -> None:
    """Make the stages of every lifecycle known to the condition language."""
    register_family("stage.", _every)


def of_lifecycle(slug: str, name: str, of: str, stages: Iterable[tuple[str, str]]) -> list[Field]:
    """The three fields of one lifecycle, with its stages as (slug, name); the lifecycle need not stand in rows yet."""
    choices = tuple(dict(stages).items())
    kinds = frozenset({of})
    group = _("Stages")
    here = Relation(lambda ask: _here(slug, ask), lambda ask, span: _moved(slug, span))
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
            Relation(lambda ask: _here(slug, ask), lambda ask, span: _aged(slug, ask, span), read=_days_in),
            timed=True,
            group=group,
        ),
    ]


def _every() -> Iterable[Field]:
    stages = Prefetch("versions__stages", Stage.objects.order_by("version__number", "order"))
    for each in Lifecycle.objects.prefetch_related(stages).order_by("slug"):
        named = [(stage.slug, stage.name) for version in each.versions.all() for stage in version.stages.all()]
        yield from of_lifecycle(each.slug, each.name, each.of, named)


def _passes(slug: str, alias: str = "m") -> Sql:
    """The passes through a lifecycle, but for those of a publication that was taken back."""
    return sql(
        f"{alias}.lifecycle_id = (SELECT c.id FROM lifecycle_lifecycle c WHERE c.slug = {{}}) "
        f"AND {alias}.version_id NOT IN (SELECT e.id FROM lifecycle_version e WHERE e.state = 'withdrawn')",
        slug,
    )


def _here(slug: str, ask: Ask) -> Sql:
    """Each subject's stage as of the moment (NULL after an exit), and when it came there.

    A pass that is open, and in which nothing has moved since, is the subject's newest and only one of its kind: it
    answers by itself. Of the others, read once, the last move of the last pass is looked for: in the membership when
    nothing has moved since, only otherwise in the ledger.
    """
    mine = sql("{}{}", _passes(slug), ask.only("m.subject_id"))
    if ask.moment.known is not None:
        return _last_move(_written(ledgers.of(slug).memberships, mine, ask, slug))
    still = sql("o.ended_at IS NULL AND o.entered_at < {}", ask.moment.at)
    settled = sql("GREATEST(m.entered_at, m.ended_at) < {}", ask.moment.at)
    told = sql(
        "SELECT m.subject_id, m.pass_number, m.seq, m.stage_id, m.entered_at AS occurred_at FROM others m WHERE {}",
        settled,
    )
    return sql(
        """SELECT o.subject_id, g.slug AS value, o.entered_at AS evidence
           FROM {} o LEFT JOIN lifecycle_stage g ON g.id = o.stage_id WHERE {}{} AND {}
           UNION ALL (
               WITH others AS MATERIALIZED (
                   SELECT m.id, m.subject_id, m.pass_number, m.seq, m.stage_id, m.entered_at, m.ended_at
                   FROM {} m
                   WHERE {} AND (m.ended_at IS NOT NULL OR m.entered_at >= {}) AND NOT EXISTS (
                       SELECT FROM {} o
                       WHERE o.lifecycle_id = m.lifecycle_id AND o.subject_id = m.subject_id AND {}))
               {})""",
        ledgers.of(slug).memberships,
        _passes(slug, "o"),
        ask.only("o.subject_id"),
        still,
        ledgers.of(slug).memberships,
        mine,
        ask.moment.at,
        ledgers.of(slug).memberships,
        still,
        _last_move(sql("{} UNION ALL {}", told, _written(Sql("others"), sql("NOT {}", settled), ask, slug))),
    )


def _written(passes: Sql, which: Sql, ask: Ask, slug: str) -> Sql:
    """The moves that the ledger has of some passes m; a new edition of the same stage is none, the stay goes on."""
    return sql(
        "SELECT m.subject_id, m.pass_number, v.seq, v.to_stage_id AS stage_id, v.occurred_at FROM {} m "
        "JOIN {} v ON v.membership_id = m.id WHERE {} AND {} "
        "AND NOT (v.kind = 'migration' AND EXISTS (SELECT FROM lifecycle_stage l JOIN lifecycle_stage r "
        "ON r.slug = l.slug WHERE l.id = v.from_stage_id AND r.id = v.to_stage_id))",
        passes,
        ledgers.of(slug).movements,
        which,
        ask.moment.counts("v"),
    )


def _last_move(moves: Sql) -> Sql:
    """Each subject's stage by the last of its moves, and when that was."""
    return sql(
        """SELECT DISTINCT ON (w.subject_id) w.subject_id, g.slug AS value, w.occurred_at AS evidence
           FROM ({}) w LEFT JOIN lifecycle_stage g ON g.id = w.stage_id
           ORDER BY w.subject_id, w.pass_number DESC, w.seq DESC""",
        moves,
    )


def _ever(slug: str, ask: Ask) -> Sql:
    """Those of the stages asked for that a subject has come to, and when first to one of them."""
    wanted = ask.operand if isinstance(ask.operand, tuple) else (ask.operand,)
    return sql(
        """SELECT m.subject_id, array_agg(DISTINCT g.slug::text) AS value, min(v.occurred_at) AS evidence
           FROM {} m
           JOIN {} v ON v.membership_id = m.id
           JOIN lifecycle_stage g ON g.id = v.to_stage_id
           WHERE {}{} AND {} AND g.slug = ANY ({}) GROUP BY m.subject_id""",
        ledgers.of(slug).memberships,
        ledgers.of(slug).movements,
        _passes(slug),
        ask.only("m.subject_id"),
        ask.moment.counts("v"),
        [fold(each) for each in wanted],
    )


def _days_in(alias: str, ask: Ask) -> Sql:
    return sql(f"(CASE WHEN {alias}.value IS NOT NULL THEN {{}} END)", ask.moment.days_since(Sql(f"{alias}.evidence")))


def _moved(slug: str, span: Span) -> list[Sql]:
    return [_with_movement(slug, span.within("v.occurred_at"))]


def _aged(slug: str, ask: Ask, span: Span) -> list[Sql]:
    """Also those whose stay reaches an age that the leaf asks for: their last movement is that old.

    Any movement that old is taken, which is complete and needs no ordering.
    """
    crosses = span.instant_crosses("v.occurred_at", ask.operator.ages(ask.operand))
    return [*_moved(slug, span), _with_movement(slug, crosses)] if crosses else _moved(slug, span)


def _with_movement(slug: str, when: Sql) -> Sql:
    """The subjects with a movement of that time, by the index on version and time."""
    return sql(
        "SELECT m.subject_id FROM {} v JOIN {} m ON m.id = v.membership_id "
        "WHERE {} AND v.version_id IN (SELECT e.id FROM lifecycle_version e JOIN lifecycle_lifecycle c "
        "ON c.id = e.lifecycle_id WHERE c.slug = {})",
        ledgers.of(slug).movements,
        ledgers.of(slug).memberships,
        when,
        slug,
    )
