"""What happens to hand-offs by itself, every few seconds: they find somebody, fall due, come back, and leave whoever is
away. Each step is a statement over all that it concerns; rows say what is done, so a turn that dies is done again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kit import installation
from kit.sql import Sql, rows, run, sql
from lifecycle.handoffs import offering, routing, telling
from lifecycle.ledger import stages
from lifecycle.models import Handoff, Movement, Stage, Version

SOON = timedelta(hours=2)  # before the due instant
TIME = str(Handoff.Route.TIME)
AGAIN = "“Not now” is over"
UNROUTED = Sql("NULL::bigint, NULL::bigint, NULL::timestamptz, ''")


def turn(now: datetime) -> None:
    """One turn of the clock. Each step commits by itself."""
    bring_back(now)
    leave_the_absent(now)
    miss(now)
    warn(now)
    routing.route(now)
    telling.tell(now)


def bring_back(now: datetime) -> int:
    """Those whose "not now" is over come back to the stage that hands them over, unless they moved on since."""
    today = timezone.localdate(now, installation.zone())
    done = 0
    with transaction.atomic():
        over = rows(
            sql(
                """SELECT stage_id, array_agg(id) FROM (
                       SELECT id, stage_id FROM lifecycle_handoff
                       WHERE state = 'not_now' AND returned_at IS NULL AND until <= {} ORDER BY id FOR UPDATE) over
                   GROUP BY 1 ORDER BY 1""",
                today,
            )
        )
        for stage_id, ids in over:
            done += _bring_back(Stage.objects.select_related("version__lifecycle").get(pk=stage_id), ids, now)
    return done


def _bring_back(stage: Stage, ids: list[int], now: datetime) -> int:
    run(sql("UPDATE lifecycle_handoff SET returned_at = {} WHERE id = ANY ({})", now, ids))
    if stage.version.state != Version.State.PUBLISHED:
        stage = _same_stage_now(stage) or stage
    if stage.version.state != Version.State.PUBLISHED or not stage.hand_off:
        return 0
    relation = sql(
        """SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number,
                  1 AS step, membership.stage_id AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason
           FROM lifecycle_handoff held JOIN lifecycle_membership membership ON membership.id = held.membership_id
           JOIN lifecycle_movement put_off ON put_off.membership_id = held.membership_id AND put_off.seq = held.seq + 1
           JOIN lifecycle_stage waits ON waits.id = put_off.to_stage_id
           JOIN lifecycle_stage here ON here.id = membership.stage_id
           WHERE held.id = ANY ({}) AND membership.ended_at IS NULL AND membership.version_id = {}
             AND here.slug = waits.slug AND NOT EXISTS (
                 SELECT FROM lifecycle_movement since WHERE since.membership_id = held.membership_id
                   AND since.seq > held.seq + 1 AND since.kind <> 'migration')""",
        stage.pk, now, now, AGAIN, ids, stage.version_id,
    )  # fmt: skip
    return stages.move_many(relation, stages.Ledgering(stage.version, Movement.Kind.RULE, _("the clock"), now))


def _same_stage_now(stage: Stage) -> Stage | None:
    """The stage as the live version has it."""
    live = stages.live_version(stage.version.lifecycle)
    found = live.stages.filter(slug=stage.slug) if live else Stage.objects.none()
    return found.select_related("version__lifecycle").first()


def leave_the_absent(now: datetime) -> int:
    """What is offered to somebody who is away, gone or without the right is looked for a receiver anew."""
    today = timezone.localdate(now, installation.zone())
    which = sql("held.user_id IS NOT NULL AND held.user_id NOT IN (SELECT id FROM ({}) able)", routing.able(today))
    return len(_reroute(which, _("Their receiver is not there"), now))


def miss(now: datetime) -> int:
    """The due instant is over: it counts as missed, whoever has it is told, and where the stage says so the next is
    asked; how many."""
    with transaction.atomic():
        missed = rows(
            sql(
                """UPDATE lifecycle_handoff held SET missed_at = {}
                   WHERE held.state = 'offered' AND held.due_at < {} AND held.missed_at IS NULL
                   RETURNING held.id, held.user_id""",
                now,
                now,
            )
        )
        if missed:
            told = sql(
                "SELECT * FROM unnest({}::bigint[], {}::bigint[]) missed (id, to_id)",
                [pk for pk, _user in missed],
                [user for _pk, user in missed],
            )
            run(offering.note(told, "missed", now, telling=True))
            which = sql(
                """held.id = ANY ({}) AND held.user_id IS NOT NULL AND held.stage_id IN (
                       SELECT id FROM lifecycle_stage WHERE hand_off->>'missed' = 'pass_on')""",
                [pk for pk, _user in missed],
            )
            _reroute(which, _("Not answered in time"), now)
    return len(missed)


def warn(now: datetime) -> int:
    """What is due within two hours is said once to whoever has it; how many."""
    return run(
        sql(
            """WITH soon AS (
                   UPDATE lifecycle_handoff held SET soon_at = {}
                   WHERE held.state = 'offered' AND held.due_at >= {} AND held.due_at < {} AND held.soon_at IS NULL
                     AND held.offered_at < held.due_at - {}::interval AND held.routed_at IS NOT NULL
                   RETURNING held.id, held.user_id AS to_id)
               {}""",
            now,
            now,
            now + SOON,
            SOON,
            offering.note(Sql("SELECT id, to_id FROM soon"), "due_soon", now, telling=True),
        )
    )


def _reroute(which: Sql, why: str, now: datetime) -> list[tuple[int, int | None, int | None]]:
    """Take open hand-offs from whoever has them; they are routed as if they were new, but not to the same again."""
    return rows(offering.anew(which, now, receiver=UNROUTED, actor=_("the clock"), reason=why, by=None, route=TIME))
