"""Taking a move back: a new row of kind "undo", as long as nothing depends on the move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kit import audit
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, dicts, sql
from lifecycle.ledger import stages
from lifecycle.models import Movement, Version

Kind = Movement.Kind

# What somebody, or a rule, has decided. A replay is taken back by moving by hand; what merges, migrations and erasures
# did is no decision about this one subject.
KINDS = (Kind.PLACEMENT, Kind.RULE, Kind.HAND, Kind.API, Kind.IMPORT, Kind.CAMPAIGN)

WORDS = {
    "moved": gettext_lazy("it has been moved again since; take the newest move back first"),
    "undo": gettext_lazy("this is an undo itself; move by hand instead"),
    "replay": gettext_lazy("the replay of history led here; move by hand instead"),
    "kind": gettext_lazy("a merge, an erasure or a new version did this, and cannot be taken back alone"),
    "erased": gettext_lazy("whoever this was has been erased since"),
    "version": gettext_lazy("its version of the lifecycle is not live any more"),
    "newer_pass": gettext_lazy("a new pass through this lifecycle has begun since"),
    "began": gettext_lazy("“%(other)s” asks for this stage, and a pass through it began since; take that back first"),
    "gone": gettext_lazy("there is no such move"),
}


class UndoRefused(ValueError):
    """A move that cannot be taken back, with the reason in the user's words."""


@dataclass(frozen=True)
class Verdict:
    """Whether one movement can be taken back; `code` is empty when it can, else a key of WORDS."""

    membership_id: int
    seq: int
    code: str
    other: str = ""  # the lifecycle that began because of it

    @property
    def words(self) -> str:
        """Why not, in words; empty when it can."""
        return str(WORDS[self.code]) % {"other": self.other} if self.code else ""


@dataclass(frozen=True)
class Undone:
    """What came of taking a set of movements back: how many were, and a verdict on each that was not."""

    count: int
    refused: list[Verdict]


def undo(movement: Movement, *, by: User | None, now: datetime, reason: str = "") -> bool:
    """Take one movement back: its membership returns to the stage before, an ended pass is open again, a placement is
    left by an exit.

    False when somebody else moved the membership at the same moment. Raises UndoRefused with the reason in words.
    """
    wanted = sql("SELECT {}::bigint AS membership_id, {}::int AS seq", movement.membership_id, movement.seq)
    version = Version.objects.select_related("lifecycle").get(pk=movement.version_id)
    with transaction.atomic():
        done = undo_many(wanted, version, by=by, now=now, reason=reason)
        for verdict in done.refused:
            raise UndoRefused(verdict.words)
        if done.count:
            after = {"movement": movement.seq, "reason": reason}
            whom = [movement.membership.subject_id]
            audit.record(
                "lifecycle.undo", f"membership {movement.membership_id}", by=by, now=now, after=after, about=whom
            )
    return done.count > 0


def undo_many(wanted: Sql, version: Version, *, by: User | None, now: datetime, reason: str = "") -> Undone:
    """Take back the movements of `wanted` (membership_id, seq; one of each membership, all of one version).

    Those on which something depends are left alone and named; so is one that somebody else moves meanwhile, but that
    one is only missing from the count. Moves through gates are taken back together: a gate holds nobody.
    """
    try:
        return _undo_many(wanted, version, by=by, now=now, reason=reason)
    except IntegrityError:
        # A new pass was opened between the look and the writing; now it can be seen, and is a reason.
        return _undo_many(wanted, version, by=by, now=now, reason=reason)


def verdicts(wanted: Sql) -> list[Verdict]:
    """Whether each movement of `wanted` (membership_id, seq) can be taken back, in one statement."""
    found = dicts(sql("SELECT membership_id, seq, code, other FROM ({}) judged", judged(wanted)))
    return [Verdict(each["membership_id"], each["seq"], each["code"], each["other"] or "") for each in found]


@transaction.atomic
def _undo_many(wanted: Sql, version: Version, *, by: User | None, now: datetime, reason: str) -> Undone:
    refused = [each for each in verdicts(wanted) if each.code]
    relation = sql(
        """
        SELECT subject_id, membership_id, seq, pass_number, 1 AS step, to_stage AS from_stage, from_stage AS to_stage,
               {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at, transition_id, {} AS reason
        FROM ({}) judged WHERE code = ''
        """,
        now,
        now,
        _reason(reason),
        judged(wanted),
    )
    count = stages.move_many(relation, stages.Ledgering(version, Kind.UNDO, actor_of(by), now))
    return Undone(count, refused)


def judged(wanted: Sql) -> Sql:
    """Each movement with the stage before it that holds subjects, the rule that led out of that, and the verdict."""
    return sql(
        """
        SELECT wanted.membership_id, wanted.seq, membership.subject_id, membership.pass_number,
               moved.to_stage_id AS to_stage, before.from_stage_id AS from_stage, before.transition_id,
               source.name AS source, target.name AS target, began.name AS other,
               CASE WHEN moved.id IS NULL THEN 'gone'
                    WHEN membership.seq <> wanted.seq THEN 'moved'
                    WHEN moved.kind IN ({}, {}) THEN moved.kind
                    WHEN NOT moved.kind = ANY ({}) THEN 'kind'
                    WHEN coalesce(person.erased_at, account.erased_at) IS NOT NULL THEN 'erased'
                    WHEN version.state <> 'published' OR moved.version_id <> version.id THEN 'version'
                    WHEN EXISTS (
                        SELECT FROM lifecycle_membership newer
                        WHERE newer.lifecycle_id = membership.lifecycle_id
                          AND newer.subject_id = membership.subject_id AND newer.pass_number > membership.pass_number
                    ) THEN 'newer_pass'
                    WHEN began.name IS NOT NULL THEN 'began'
                    ELSE '' END AS code
        FROM ({}) wanted
        JOIN lifecycle_membership membership ON membership.id = wanted.membership_id
        JOIN lifecycle_version version ON version.id = membership.version_id
        JOIN lifecycle_lifecycle lifecycle ON lifecycle.id = membership.lifecycle_id
        LEFT JOIN audience_person person ON person.id = membership.person_id
        LEFT JOIN audience_account account ON account.id = membership.account_id
        LEFT JOIN lifecycle_movement moved ON moved.membership_id = membership.id AND moved.seq = wanted.seq
        LEFT JOIN lifecycle_stage target ON target.id = moved.to_stage_id
        LEFT JOIN LATERAL (
            SELECT earlier.from_stage_id, earlier.transition_id FROM lifecycle_movement earlier
            LEFT JOIN lifecycle_stage here ON here.id = earlier.from_stage_id
            WHERE earlier.membership_id = membership.id AND earlier.seq <= wanted.seq
              AND here.kind IS DISTINCT FROM 'gate'
            ORDER BY earlier.seq DESC LIMIT 1
        ) before ON true
        LEFT JOIN lifecycle_stage source ON source.id = before.from_stage_id
        LEFT JOIN LATERAL (
            -- A pass of the same subject that another lifecycle opened since, whose rules ask for this one's stages.
            SELECT other.name FROM lifecycle_membership pass
            JOIN lifecycle_lifecycle other ON other.id = pass.lifecycle_id
            JOIN lifecycle_movement first ON first.membership_id = pass.id AND first.seq = 1
            JOIN lifecycle_movement last ON last.membership_id = pass.id AND last.seq = pass.seq
            WHERE pass.subject_id = membership.subject_id AND pass.lifecycle_id <> membership.lifecycle_id
              AND first.recorded_at >= moved.recorded_at AND first.id > moved.id
              AND NOT (last.kind = 'undo' AND last.to_stage_id IS NULL)
              AND {}
            ORDER BY other.name LIMIT 1
        ) began ON true
        """,
        Kind.UNDO,
        Kind.REPLAY,
        list(KINDS),
        wanted,
        _asks_for_stage(),
    )


def _asks_for_stage() -> Sql:
    """Whether the version of `pass` has a condition on a stage of `lifecycle`, in its entry or in a rule."""
    asks = Sql(
        """jsonb_path_exists(%(condition)s, '$.**.field ? (@ == $stage || @ starts with $fact)',
               jsonb_build_object('stage', 'stage.' || lifecycle.slug, 'fact', 'stage.' || lifecycle.slug || '.'))"""
    ).text
    return Sql(
        f"""(EXISTS (SELECT FROM lifecycle_version asking WHERE asking.id = pass.version_id
                     AND {asks % {"condition": "asking.entry"}})
             OR EXISTS (SELECT FROM lifecycle_transition asking WHERE asking.version_id = pass.version_id
                        AND {asks % {"condition": "asking.condition"}}))"""
    )


def _reason(given: str) -> Sql:
    """The reason names what is taken back, and then says what the user said."""
    words = sql(
        "CASE WHEN from_stage IS NULL THEN {} WHEN to_stage IS NULL THEN {} ELSE {} END",
        _("Takes back move {seq}: the placement in “{to}”"),
        _("Takes back move {seq}: out of the lifecycle from “{from}”"),
        _("Takes back move {seq}: “{from}” → “{to}”"),
    )
    named = sql(
        "replace(replace(replace({}, '{{seq}}', seq::text), '{{from}}', coalesce(source, '')), "
        "'{{to}}', coalesce(target, ''))",
        words,
    )
    return sql("left({} || {}, 500)", named, f" ({given})" if given else "")
