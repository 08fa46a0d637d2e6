"""One step of many enrollments at once: what comes of it, where they go from there, what is written down.

Every kind of step is the same statement around another question. Those due are locked (whoever is held by another
worker is passed over), each has an outcome, the outcome leads to the next step and the instant at which that is looked
at; step runs and messages are written beside. A step that is at once due keeps the instant at which its wait was over:
so a message knows how late it is after a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, tree
from campaigns import entry, waits
from campaigns.models import Enrollment, Message, Step, message_id_sql
from kit.sql import Sql, rows, sql
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Movement, Stage

Kind = Step.Kind
State = Enrollment.State
STAY = "stay"  # the outcome of who is not taken on yet
SECOND_LOOK = timedelta(minutes=1)  # at a condition that may have come to hold while its first look was under way
CHANNEL = "email"
ANY = Sql("true")


@dataclass(frozen=True)
class Way:
    """Where an outcome of a step leads: to a step, or to an end in a state for a reason."""

    outcome: str
    to: Step | None = None
    state: str = ""
    reason: str = ""


def take(steps: Sequence[Step], whom: Sql, *, now: datetime, zone: ZoneInfo) -> dict[int | None, int]:
    """Take those due at steps of one kind a step on: how many went to which step (None: an end).

    `whom` narrows enrollments `e`. Steps that ask a condition, or move, are taken one at a time. The caller's
    transaction is the unit: all of it is done, or nothing.
    """
    if steps[0].kind == Kind.MOVE:
        return _move(steps[0], whom, now=now, zone=zone)
    outcomes = _OUTCOMES[Kind(steps[0].kind)](steps, now, zone)
    return _write(steps, whom, outcomes, now=now, zone=zone)


def due(steps: Sequence[Step], whom: Sql, now: datetime) -> Sql:
    """Those due at these steps of running campaigns, locked; whoever somebody else holds is left out."""
    return sql(
        """SELECT e.id, e.step_id, e.visit, e.step_at, e.wake_at, e.campaign_id, e.person_id, e.account_id, e.subject_id
           FROM campaigns_enrollment e
           WHERE {} AND e.state = 'active' AND e.wake_at <= {} AND e.step_id = ANY ({})
             AND e.campaign_id IN (SELECT c.id FROM campaigns_campaign c WHERE c.state = 'running')
           FOR NO KEY UPDATE OF e SKIP LOCKED""",
        whom,
        now,
        [step.pk for step in steps],
    )


def ways(step: Step) -> list[Way]:
    """What may come of a step, and where each leads."""
    if step.kind in (Kind.BRANCH, Kind.WAIT_UNTIL):
        return [Way("yes", step.next), Way("no", step.other)]
    if step.kind == Kind.GOAL:
        return [Way("reached", None, State.GOAL, str(step)), Way("passed", step.next)]
    if step.kind == Kind.EXIT:
        return [Way("left", None, State.EXITED, step.settings.get("reason") or str(step))]
    if step.kind == Kind.MOVE:
        moved = Way("moved", step.next)
        if step.next is not None and _leads_out(step):
            moved = Way("moved", None, State.EXITED, _("left the stage"))
        return [moved, Way("refused", step.next)]
    return [Way({Kind.SEND: "queued", Kind.WAIT: "waited"}[Kind(step.kind)], step.next)]


def _leads_out(step: Step) -> bool:
    """Whether a move takes people out of the stage with which they leave the campaign."""
    campaign = step.version.campaign
    elsewhere = step.lifecycle_id == campaign.lifecycle_id and step.stage != campaign.stage
    return elsewhere and entry.stays_with_stage(step.version)


# ---- what comes of it: the rows of `due`, each with outcome, detail, stay ----


def _simple(steps: Sequence[Step], now: datetime, zone: ZoneInfo) -> Sql:
    outcome = ways(steps[0])[0].outcome
    return sql("SELECT due.*, {} AS outcome, '' AS detail, NULL::timestamptz AS stay FROM due", outcome)


def _asked(steps: Sequence[Step], now: datetime, zone: ZoneInfo) -> Sql:
    """A branch or a goal: whether its condition holds now."""
    holds, fails = (way.outcome for way in ways(steps[0]))
    return sql(
        """SELECT due.*, CASE WHEN holding.subject_id IS NOT NULL THEN {} ELSE {} END AS outcome, '' AS detail,
                  NULL::timestamptz AS stay
           FROM due LEFT JOIN ({}) holding USING (subject_id)""",
        holds,
        fails,
        _holding(steps[0], now),
    )


def _awaited(steps: Sequence[Step], now: datetime, zone: ZoneInfo) -> Sql:
    """A wait until: it holds, the time is over, or they stay; whoever just came is looked at once more soon."""
    arrived = rows(
        sql(
            """SELECT DISTINCT e.step_at FROM campaigns_enrollment e
               WHERE e.step_id = {} AND e.version_id = {} AND e.state = 'active' AND e.wake_at <= {}""",
            steps[0].pk,
            steps[0].version_id,
            now,
        )
    )
    instants = [row[0] for row in arrived]
    ends = [waits.over(steps[0], each, zone) for each in instants]
    return sql(
        """SELECT due.*,
                  CASE WHEN holding.subject_id IS NOT NULL THEN 'yes' WHEN vain.at <= {} THEN 'no' ELSE {} END
                      AS outcome,
                  CASE WHEN holding.subject_id IS NULL THEN {} ELSE '' END AS detail,
                  LEAST(vain.at, CASE WHEN due.step_at + {}::interval > {} THEN due.step_at + {}::interval END) AS stay
           FROM due
           LEFT JOIN unnest({}::timestamptz[], {}::timestamptz[]) vain (came, at) ON vain.came = due.step_at
           LEFT JOIN ({}) holding USING (subject_id)""",
        now,
        STAY,
        _("waited in vain"),
        SECOND_LOOK,
        now,
        SECOND_LOOK,
        instants,
        ends,
        _holding(steps[0], now),
    )


def _holding(step: Step, now: datetime) -> Sql:
    node = tree.parse(step.condition, of="person")
    return compile.members(node, of="person", at=now + live.INSTANT, among=Sql("SELECT subject_id FROM due"))


_OUTCOMES = {
    Kind.SEND: _simple,
    Kind.WAIT: _simple,
    Kind.EXIT: _simple,
    Kind.BRANCH: _asked,
    Kind.GOAL: _asked,
    Kind.WAIT_UNTIL: _awaited,
}


# ---- writing it down ----


def _write(steps: Sequence[Step], whom: Sql, outcomes: Sql, *, now: datetime, zone: ZoneInfo) -> dict[int | None, int]:
    leading = [(step, way) for step in steps for way in ways(step)]
    sends = steps[0].kind == Kind.SEND
    found = rows(
        sql(
            """
            WITH due AS MATERIALIZED ({}),
            way AS MATERIALIZED (
                SELECT * FROM unnest({}::bigint[], {}::text[], {}::bigint[], {}::timestamptz[], {}::text[], {}::text[])
                    way (step_id, outcome, to_id, wake_at, state, reason)
            ),
            found AS (
                SELECT came.*, way.to_id, way.state, way.reason,
                       CASE WHEN came.outcome = {} THEN came.stay
                            WHEN way.state = 'active' THEN coalesce(way.wake_at, came.wake_at) END AS next_look
                FROM ({}) came LEFT JOIN way USING (step_id, outcome)
            ),
            moved AS (
                UPDATE campaigns_enrollment e
                SET step_id = CASE WHEN found.outcome = {} THEN e.step_id ELSE found.to_id END,
                    step_at = CASE WHEN found.outcome = {} THEN e.step_at ELSE {} END,
                    wake_at = found.next_look, strikes = 0,
                    state = coalesce(found.state, e.state), reason = coalesce(found.reason, e.reason),
                    ended_at = CASE WHEN found.state <> 'active' THEN {}::timestamptz END
                FROM found WHERE e.id = found.id AND {}
                RETURNING found.*
            ),
            run AS (
                INSERT INTO campaigns_steprun (enrollment_id, step_id, visit, at, outcome, detail, next_id)
                SELECT id, step_id, visit, {}, outcome, left(detail, 300), to_id FROM moved WHERE outcome <> {}
                ON CONFLICT DO NOTHING
            ){}
            SELECT to_id, count(*) FROM moved WHERE outcome <> {} GROUP BY to_id
            """,
            due(steps, whom, now),
            [step.pk for step, _way in leading],
            [way.outcome for _step, way in leading],
            [way.to.pk if way.to else None for _step, way in leading],
            [None if way.to is None or waits.at_once(way.to) else waits.over(way.to, now, zone) for _s, way in leading],
            [way.state or (State.ACTIVE if way.to else State.FINISHED) for _step, way in leading],
            [way.reason[:300] for _step, way in leading],
            STAY,
            outcomes,
            STAY,
            STAY,
            now,
            now,
            whom,
            now,
            STAY,
            _messages(steps, now) if sends else Sql(""),
            STAY,
        )
    )
    return dict(found)


def _messages(steps: Sequence[Step], now: datetime) -> Sql:
    """The messages of those moved, as one more part of the statement; each by its own id, so there is one."""
    campaigns = [step.version.campaign for step in steps]
    late = [step.settings.get("not_after_hours") for step in steps]
    identity = message_id_sql(Sql("moved.id"), Sql("moved.step_id"), Sql("moved.visit"), sql("{}", CHANNEL))
    return sql(
        """,
            written AS (
                INSERT INTO campaigns_message
                    (id, purpose, campaign_id, enrollment_id, step_id, visit, channel, topic_id, sender_id,
                     content_version_id, person_id, account_id, state, policy, attempt, strikes, due_at, not_after,
                     owner, reason, created_at)
                SELECT {}, {}, moved.campaign_id, moved.id, moved.step_id, moved.visit, {}, letter.topic_id,
                       letter.sender_id, letter.content_version_id, moved.person_id, moved.account_id, {}, {}, 0, 0,
                       moved.wake_at, moved.wake_at + letter.late, '', '', {}
                FROM moved
                JOIN unnest({}::bigint[], {}::bigint[], {}::bigint[], {}::bigint[], {}::interval[])
                    letter (step_id, topic_id, sender_id, content_version_id, late) USING (step_id)
                ON CONFLICT DO NOTHING
            )""",
        identity,
        Message.Purpose.CAMPAIGN,
        CHANNEL,
        Message.State.QUEUED,
        Message.Policy.AT_MOST_ONCE,
        now,
        [step.pk for step in steps],
        [each.topic_id for each in campaigns],
        [each.sender_id for each in campaigns],
        [step.content_version_id for step in steps],
        [timedelta(hours=float(hours)) if hours else None for hours in late],
    )


# ---- moving between stages ----


def _move(step: Step, whom: Sql, *, now: datetime, zone: ZoneInfo) -> dict[int | None, int]:
    """Move those due to the step's stage, as far as it can be; who cannot be moved is told why, and goes on.

    Memberships are locked before they are read, and whoever somebody else moves just now stays for the next tick.
    """
    found = rows(sql("SELECT id, subject_id FROM ({}) due", due([step], whom, now)))
    if not found:
        return {}
    enrollments, subjects = [row[0] for row in found], [row[1] for row in found]
    free = sql("m.id = ANY ({})", _locked(step.lifecycle, subjects) if step.lifecycle else [])
    asked = sql("SELECT unnest({}::bigint[]) AS subject_id", subjects)
    verdicts = dict(rows(moving(step, asked, free)))
    _do_move(step, [subject for subject, why in verdicts.items() if not why], now)
    told = [verdicts[subject] for subject in subjects]
    outcomes = sql(
        """SELECT due.*, CASE told.why WHEN '' THEN 'moved' WHEN {} THEN {} ELSE 'refused' END AS outcome,
                  told.why AS detail, due.wake_at AS stay
           FROM due JOIN unnest({}::bigint[], {}::text[]) told (id, why) ON told.id = due.id""",
        STAY,
        STAY,
        enrollments,
        told,
    )
    those = sql("e.id = ANY ({})", enrollments)
    return _write([step], those, outcomes, now=now, zone=zone)


def _locked(lifecycle: Lifecycle, subjects: list[int]) -> list[int]:
    """The open memberships of the subjects that nobody else is moving; ours until the transaction ends."""
    found = rows(
        sql(
            """SELECT m.id FROM lifecycle_membership m
               WHERE m.lifecycle_id = {} AND m.subject_id = ANY ({}) AND m.ended_at IS NULL
               ORDER BY m.id FOR NO KEY UPDATE SKIP LOCKED""",
            lifecycle.pk,
            subjects,
        )
    )
    return [row[0] for row in found]


def moving(step: Step, subjects: Sql, free: Sql = ANY) -> Sql:
    """Each of the subjects (subject_id) with `why` it cannot be moved: '' when it can.

    STAY for a membership `m` that is not free, because somebody else moves it just now.
    """
    version = stages.live_version(step.lifecycle) if step.lifecycle else None
    target = version.stages.filter(slug=step.stage).first() if version else None
    lifecycle = {"lifecycle": step.lifecycle}
    if version is None:
        return _all(subjects, _("“%(lifecycle)s” has no version that is live") % lifecycle)
    if target is None:
        return _all(subjects, _("“%(lifecycle)s” has no such stage any more") % lifecycle)
    if target.kind == Stage.Kind.GATE:
        return _all(subjects, _("“%(stage)s” is a gate and holds nobody") % {"stage": target})
    return sql(
        """SELECT asked.subject_id,
                  CASE WHEN m.id IS NULL THEN {} WHEN NOT {} THEN {} WHEN m.version_id <> {} THEN {}
                       WHEN m.stage_id = {} THEN {} ELSE '' END AS why
           FROM ({}) asked
           LEFT JOIN lifecycle_membership m
             ON m.lifecycle_id = {} AND m.subject_id = asked.subject_id AND m.ended_at IS NULL""",
        _("is not in “%(lifecycle)s” now") % lifecycle,
        free,
        STAY,
        version.pk,
        _("is still on an older version of “%(lifecycle)s”") % lifecycle,
        target.pk,
        _("was in “%(stage)s” already") % {"stage": target},
        subjects,
        version.lifecycle_id,
    )


def _all(subjects: Sql, why: str) -> Sql:
    return sql("SELECT asked.subject_id, {} AS why FROM ({}) asked", why, subjects)


def _do_move(step: Step, subjects: list[int], now: datetime) -> None:
    version = stages.live_version(step.lifecycle) if subjects and step.lifecycle else None
    if version is None:
        return
    relation = sql(
        """SELECT m.subject_id, m.id AS membership_id, m.seq, m.pass_number, 1 AS step, m.stage_id AS from_stage,
                  {}::bigint AS to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at,
                  NULL::bigint AS transition_id, {} AS reason
           FROM lifecycle_membership m
           WHERE m.lifecycle_id = {} AND m.subject_id = ANY ({}) AND m.ended_at IS NULL""",
        version.stages.get(slug=step.stage).pk,
        now,
        now,
        f"{step.version.campaign}: {step}"[:500],
        version.lifecycle_id,
        subjects,
    )
    stages.move_many(relation, stages.Ledgering(version, Movement.Kind.CAMPAIGN, _("campaign"), now))
