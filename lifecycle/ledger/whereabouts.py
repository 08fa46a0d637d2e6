"""Where subjects are at an instant, as relations that conditions ask, and whom a time of movements touches."""

from __future__ import annotations

from audience.conditions.registry import Ask
from kit.sql import Sql, sql
from lifecycle.ledger import ledgers


def passes(slug: str, alias: str = "m") -> Sql:
    """The passes through a lifecycle, but for those of a publication that was taken back.

    IN and no “=”: a value worked out beforehand keeps the part of a question that it stands in to a single process.
    """
    return sql(
        f"{alias}.lifecycle_id IN (SELECT c.id FROM lifecycle_lifecycle c WHERE c.slug = {{}}) "
        f"AND {alias}.version_id NOT IN (SELECT e.id FROM lifecycle_version e WHERE e.state = 'withdrawn')",
        slug,
    )


def here(slug: str, ask: Ask, stages: list[str] | None = None) -> Sql:
    """Each subject's stage as of the moment (NULL after an exit), and when it came there.

    With `stages` whoever is in another one may be missing.

    A pass that is open, and in which nothing has moved since, is the subject's newest and only one of its kind: it
    answers by itself. Of the others, read once, the last move of the last pass is looked for: in the membership when
    nothing has moved since, only otherwise in the ledger.
    """
    mine = sql("{}{}", passes(slug), ask.only("m.subject_id"))
    memberships, at = ledgers.of(slug).memberships, ask.moment.at
    if ask.moment.known is not None:
        return _last_move(_written(memberships, mine, ask, slug))
    still = sql("o.ended_at IS NULL AND o.entered_at < {}", at)
    other = sql(
        "{} AND NOT EXISTS (SELECT FROM {} o "
        "WHERE o.lifecycle_id = m.lifecycle_id AND o.subject_id = m.subject_id AND {})",
        mine, memberships, still,
    )  # fmt: skip
    over = sql(
        "SELECT m.subject_id, m.pass_number, m.seq, m.stage_id, m.entered_at AS occurred_at FROM {} m "
        "WHERE m.ended_at < {} AND m.entered_at < {} AND {}",
        memberships, at, at, other,
    )  # fmt: skip
    # In three relations, each by an index of its own, and none of them a WITH: one would keep all of the question in a
    # single process.
    moved_since = sql(
        "(SELECT m.id, m.subject_id, m.pass_number FROM {} m WHERE m.ended_at >= {} AND {} UNION ALL "
        "SELECT m.id, m.subject_id, m.pass_number FROM {} m "
        "WHERE m.ended_at IS NULL AND m.entered_at >= {} AND m.stage_id IN ({}) AND {})",
        memberships, at, other, memberships, at, _stages(slug), other,
    )  # fmt: skip
    return sql(
        """SELECT o.subject_id, g.slug AS value, o.entered_at AS evidence
           FROM {} o LEFT JOIN lifecycle_stage g ON g.id = o.stage_id WHERE {}{}{} AND {}
           UNION ALL ({})""",
        memberships,
        passes(slug, "o"),
        Sql("") if stages is None else sql(" AND o.stage_id IN ({} AND l.slug = ANY ({}))", _stages(slug), stages),
        ask.only("o.subject_id"),
        still,
        _last_move(sql("{} UNION ALL {}", over, _written(moved_since, Sql("true"), ask, slug))),
    )


def _stages(slug: str) -> Sql:
    return sql(
        "SELECT l.id FROM lifecycle_stage l JOIN lifecycle_version e ON e.id = l.version_id "
        "JOIN lifecycle_lifecycle c ON c.id = e.lifecycle_id WHERE c.slug = {}",
        slug,
    )


def _written(passes: Sql, which: Sql, ask: Ask, slug: str) -> Sql:
    """The moves that the ledger has of some passes m; a new edition of the same stage is none, the stay goes on."""
    return sql(
        "SELECT m.subject_id, m.pass_number, v.seq, v.to_stage_id AS stage_id, v.occurred_at FROM {} m "
        "JOIN {} v ON v.membership_id = m.id WHERE {} AND {} "
        "AND (v.kind = 'migration' AND (v.from_stage_id, v.to_stage_id) IN ("
        "SELECT l.id, r.id FROM lifecycle_stage l JOIN lifecycle_stage r ON r.slug = l.slug)) IS NOT TRUE",
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


def with_movement(slug: str, when: Sql) -> Sql:
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
