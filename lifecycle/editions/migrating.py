"""From one version to the next: where the members of each stage go, how many, and taking them over in one transaction.

A plan says of each stage of the version before where its members go: a stage of the coming one by its slug, or out of
the model. The relation that is counted for the preview is the one that is written, so the counts are exact. All of it
is one transaction: nobody ever sees half of the members moved, and a worker that is killed leaves nothing behind. What
is written are movements of kind "migration"; nothing that was written before changes, and passes that have ended keep
their version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience import live
from kit import audit, jobs
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, dicts, run, sql, value
from lifecycle import querysets
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Movement, Stage, Version

BATCH = 5_000  # members of one statement: small enough to show how far it is, and to be cancelled within a second
STAY, MOVE, LEAVE, UNDECIDED, BACK = "stay", "move", "leave", "undecided", "back"


class PlanRefused(ValueError):
    """A plan for members that cannot be kept or carried out, in the user's words."""


@dataclass(frozen=True)
class Plan:
    """Where the members of a lifecycle go: by the slug of the stage they are in, a slug of `version`, or None: out.

    What is not named is undecided. `reason` is written beside the name of those who leave. `back`: whoever the version
    that is live has taken over from `version`, and nobody moved since, returns to the very stage they came from.
    """

    version: Version
    stages: Mapping[str, str | None]
    reason: str = ""
    back: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"stages": dict(self.stages), "reason": self.reason}


@dataclass(frozen=True)
class Row:
    """The members of one stage who go the same way, how many they are, and how many of these no figure counts; `how` is
    one of the five words above."""

    stage: str
    name: str
    to: str | None
    to_name: str
    how: str
    members: int
    left_out: int


def proposed(version: Version, before: Version) -> dict[str, str | None]:
    """By slug, then by name; what has no counterpart that can hold anybody is left undecided."""
    coming = [stage for stage in version.stages.all() if stage.kind != Stage.Kind.GATE]
    by_slug = {stage.slug: stage.slug for stage in coming}
    by_name = {stage.name: stage.slug for stage in coming}
    found = {stage.slug: by_slug.get(stage.slug) or by_name.get(stage.name) for stage in before.stages.all()}
    return {slug: to for slug, to in found.items() if to}


def plan(version: Version, before: Version) -> Plan:
    """What is proposed for a draft, and what somebody has decided about it since."""
    kept = version.moves or {}
    known = {stage.slug for stage in version.stages.all() if stage.kind != Stage.Kind.GATE} | {None}
    decided = {slug: to for slug, to in kept.get("stages", {}).items() if to in known}
    return Plan(version, proposed(version, before) | decided, kept.get("reason", ""))


def back_plan(version: Version, live_one: Version) -> Plan:
    """The way back to a version that was live before: for those who moved since, by slug, or by the way they came."""
    came = (live_one.moves or {}).get("stages", {}) if live_one.before_id == version.pk else {}
    inverse = {to: slug for slug, to in came.items() if to}
    return Plan(version, inverse | proposed(version, live_one), back=True)


@transaction.atomic
def decide(version: Version, choices: Mapping[str, str | None], *, reason: str, by: User | None, now: datetime) -> None:
    """Keep where the members of these stages go when this draft is published (None: out of the model).

    Raises PlanRefused for a version that is no draft, and for stages that are not there or hold nobody.
    """
    locked = Version.objects.select_for_update(of=("self",)).select_related("lifecycle").get(pk=version.pk)
    if locked.state != Version.State.DRAFT:
        raise PlanRefused(_("%(version)s is not a draft.") % {"version": version})
    check(locked, choices, stages.live_version(locked.lifecycle))
    kept = locked.moves or {}
    told = {"stages": kept.get("stages", {}) | dict(choices), "reason": reason}
    Version.objects.filter(pk=version.pk).update(moves=told)
    version.moves = told
    audit.record("lifecycle.plan", str(version), by=by, now=now, before=kept, after=told)


def check(version: Version, choices: Mapping[str, str | None], before: Version | None) -> None:
    """Raises PlanRefused when a plan names a stage that is not there, or one that holds nobody."""
    here = {stage.slug: stage for stage in version.stages.all()}
    there = {stage.slug for stage in before.stages.all()} if before else set()
    for slug, to in choices.items():
        if slug not in there:
            raise PlanRefused(_("The version that is live has no stage “%(slug)s”.") % {"slug": slug})
        if to is not None and to not in here:
            raise PlanRefused(_("%(version)s has no stage “%(slug)s”.") % {"version": version, "slug": to})
        if to is not None and here[to].kind == Stage.Kind.GATE:
            told = _("“%(stage)s” is a gate and holds nobody; choose the stage behind it.")
            raise PlanRefused(told % {"stage": here[to]})


def preview(chosen: Plan) -> list[Row]:
    """Exactly how many would go which way, in the order of the stages they are in."""
    return [
        Row(
            each["stage"],
            each["name"],
            each["to"],
            each["to_name"] or "",
            each["how"],
            each["members"],
            each["left_out"],
        )  # fmt: skip
        for each in dicts(
            sql(
                """
                SELECT source.slug AS stage, source.name, target.slug AS to, target.name AS to_name, how,
                       count(*) AS members, count(*) FILTER (WHERE moved.subject_id IN ({})) AS left_out
                FROM ({}) moved JOIN lifecycle_stage source ON source.id = moved.here
                LEFT JOIN lifecycle_stage target ON target.id = moved.to_stage
                GROUP BY source.id, target.id, how ORDER BY source."order", target."order"
                """,
                querysets.left_out(chosen.version.lifecycle.of),
                _relation(chosen),
            )
        )
    ]


def refusals(chosen: Plan) -> list[str]:
    """What keeps a plan from being carried out, in words: members of whom nobody has said where they go, or why."""
    rows = preview(chosen)
    found = [_nobody_has_said(row) for row in rows if row.how == UNDECIDED]
    if not chosen.reason and any(row.how == LEAVE for row in rows):
        found.append(_("Say why members leave; it is written beside each of them."))
    return found


def _nobody_has_said(row: Row) -> str:
    words = ngettext(
        "Nobody has said where the one member of “%(stage)s” goes; choose a stage, or let them leave.",
        "Nobody has said where the %(count)s members of “%(stage)s” go; choose a stage, or let them leave.",
        row.members,
    )
    return words % {"count": row.members, "stage": row.name}


def carry(chosen: Plan, *, by: User | None, now: datetime, progress: Callable[[int, int], None] | None = None) -> int:
    """Move the members as the plan says, in the caller's transaction; the number moved. The undecided stay."""
    run(sql("CREATE TEMPORARY TABLE carried ON COMMIT DROP AS SELECT * FROM ({}) moved WHERE how <> {}",
            _relation(chosen), UNDECIDED))  # fmt: skip
    run(Sql("CREATE UNIQUE INDEX ON carried (membership_id); ANALYZE carried"))
    total, moved, after = value(Sql("SELECT count(*) FROM carried")), 0, 0
    writing = stages.Ledgering(chosen.version, Movement.Kind.MIGRATION, actor_of(by), now)
    while (last := _last(after)) is not None:
        batch = sql("FROM carried WHERE membership_id > {} AND membership_id <= {}", after, last)
        # In order, so that this and other moves of many wait for one another, and none fails.
        run(sql("SELECT FROM lifecycle_membership WHERE id IN (SELECT membership_id {}) ORDER BY id FOR NO KEY UPDATE",
                batch))  # fmt: skip
        moves = sql(
            """SELECT subject_id, membership_id, seq, pass_number, 1 AS step, from_stage, to_stage,
                      {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at, NULL::bigint AS transition_id,
                      CASE how WHEN {} THEN {} ELSE {} END AS reason {}""",
            now,
            now,
            LEAVE,
            chosen.reason[:500],
            _reason(chosen)[:500],
            batch,
        )
        moved += stages.move_many(moves, writing)
        after = last
        if progress:
            progress(moved, total)
    run(Sql("DROP TABLE carried"))
    return moved


def take_over(chosen: Plan, before: Version, held: jobs.Held) -> int:
    """Make the plan's version the live one and move everybody over, in one transaction; the number moved.

    Raises jobs.Refused when the one or the other is not what it was when this was asked for.
    """
    version = chosen.version
    with transaction.atomic():
        # Whoever opens a pass waits for this row, and sees then that the version has been replaced.
        list(Version.objects.select_for_update(of=("self",)).filter(pk__in=[before.pk, version.pk]).order_by("pk"))
        retired = Version.objects.filter(pk=before.pk, state=Version.State.PUBLISHED).update(
            state=Version.State.RETIRED
        )
        if not retired:
            raise jobs.Refused(_("%(version)s is not live any more.") % {"version": before})
        came = Version.objects.filter(pk=version.pk, state=Version.State.PUBLISHING, job=held.job).update(
            state=Version.State.PUBLISHED,
            looked_until=held.now + live.INSTANT,
            stopped_at=None,
            stopped_because="",
            **({} if chosen.back else {"published_at": held.now, "moves": chosen.as_json()}),
        )
        if not came:
            raise jobs.Refused(_("%(version)s is not being published any more.") % {"version": version})
        if found := refusals(chosen):
            raise jobs.Refused(" ".join(found))
        version.stopped_rules.all().delete()
        with live.without_marks():
            moved = carry(
                chosen,
                by=held.job.created_by,
                now=held.now,
                progress=lambda done, total: held.show(rows_done=done, rows_total=total),
            )
        live.mark_everybody(version.lifecycle.of)
        held.progress(rows_done=moved, rows_total=moved, phase="")
    return moved


def catch_up(lifecycle: Lifecycle, subjects: list[int], *, by: User | None, now: datetime) -> int:
    """Bring over those of the subjects whose open pass is in a version that is not live; how many.

    So it is with a pass that has ended before the version was replaced, and is opened again.
    """
    version = stages.live_version(lifecycle)
    if version is None:
        return 0
    moved = 0
    behind = Version.objects.filter(membership__subject_id__in=subjects, membership__ended_at=None, lifecycle=lifecycle)
    for before in behind.filter(state=Version.State.RETIRED).distinct():
        chosen = Plan(version, proposed(version, before) | (version.moves or {}).get("stages", {}))
        mine = sql("SELECT * FROM ({}) moved WHERE subject_id = ANY ({}) AND how <> {}", _relation(chosen), subjects,
                   UNDECIDED)  # fmt: skip
        relation = sql(
            """SELECT subject_id, membership_id, seq, pass_number, 1 AS step, from_stage, to_stage,
                      {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at, NULL::bigint AS transition_id,
                      {} AS reason FROM ({}) mine""",
            now,
            now,
            _reason(chosen)[:500],
            mine,
        )
        moved += stages.move_many(relation, stages.Ledgering(version, Movement.Kind.MIGRATION, actor_of(by), now))
    return moved


def leave(version: Version, *, reason: str, by: User | None, now: datetime) -> int:
    """Have a batch of those who are in a version leave it; how many, 0 when nobody is left."""
    relation = sql(
        """SELECT subject_id, id AS membership_id, seq, pass_number, 1 AS step, stage_id AS from_stage,
                  NULL::bigint AS to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at,
                  NULL::bigint AS transition_id, {} AS reason
           FROM lifecycle_membership WHERE version_id = {} AND ended_at IS NULL ORDER BY id LIMIT {}""",
        now,
        now,
        reason,
        version.pk,
        BATCH,
    )
    return stages.move_many(relation, stages.Ledgering(version, Movement.Kind.VOID, actor_of(by), now))


def _last(after: int) -> int | None:
    return value(
        sql(
            """SELECT max(membership_id) FROM (
                   SELECT membership_id FROM carried WHERE membership_id > {} ORDER BY 1 LIMIT {}) batch""",
            after,
            BATCH,
        )
    )


def _reason(chosen: Plan) -> str:
    words = _("Back to version %(number)s") if chosen.back else _("Moved over to version %(number)s")
    return words % {"number": chosen.version.number}


def _relation(chosen: Plan) -> Sql:
    """Every open membership of another version of the lifecycle, with its way: one of `STAY` … and the stage.

    On the way back also those whose pass the migration itself has ended, unless they began another one or were erased.
    """
    ids = dict(chosen.version.stages.values_list("slug", "pk"))
    named = [(slug, ids[to] if to else None) for slug, to in chosen.stages.items() if to is None or to in ids]
    back = chosen.back
    return sql(
        """
        SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number,
               here.id AS here, membership.stage_id AS from_stage, way.to_stage,
               CASE WHEN way.returns THEN {} WHEN NOT way.decided THEN {} WHEN way.to_stage IS NULL THEN {}
                    WHEN (SELECT slug FROM lifecycle_stage WHERE id = way.to_stage) = here.slug THEN {} ELSE {}
               END AS how
        FROM lifecycle_membership membership
        JOIN lifecycle_movement last ON last.membership_id = membership.id AND last.seq = membership.seq
        LEFT JOIN lifecycle_stage came ON came.id = last.from_stage_id
        JOIN lifecycle_stage here ON here.id = COALESCE(membership.stage_id, last.from_stage_id)
        LEFT JOIN unnest({}::text[], {}::bigint[]) decided (slug, to_stage) ON decided.slug = here.slug
        CROSS JOIN LATERAL (
            SELECT {} AND last.kind = 'migration' AND came.version_id = {} AS returns
        ) undone
        CROSS JOIN LATERAL (
            SELECT undone.returns, CASE WHEN undone.returns THEN came.id ELSE decided.to_stage END AS to_stage,
                   decided.slug IS NOT NULL AS decided
        ) way
        WHERE membership.lifecycle_id = {} AND membership.version_id <> {}
          AND (membership.ended_at IS NULL OR (undone.returns AND {}))
        """,
        BACK, UNDECIDED, LEAVE, STAY, MOVE,
        [slug for slug, _to in named], [to for _slug, to in named],
        back, chosen.version.pk,
        chosen.version.lifecycle_id, chosen.version.pk,
        _may_return() if back else Sql("false"),
    )  # fmt: skip


def _may_return() -> Sql:
    return Sql(
        """NOT EXISTS (
               SELECT FROM lifecycle_membership newer
               WHERE newer.lifecycle_id = membership.lifecycle_id AND newer.subject_id = membership.subject_id
                 AND newer.pass_number > membership.pass_number)
           AND NOT EXISTS (SELECT FROM audience_person erased
                           WHERE erased.id = membership.person_id AND erased.erased_at IS NOT NULL)
           AND NOT EXISTS (SELECT FROM audience_account erased
                           WHERE erased.id = membership.account_id AND erased.erased_at IS NOT NULL)"""
    )
