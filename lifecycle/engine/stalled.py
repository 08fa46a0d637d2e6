"""Who is stuck: in a stage for longer than nine of ten were who left it, or than its own limit, and nobody has stirred.

Nobody has stirred: for so many days nothing came from the subject, and nothing from human to human went to it. Mail and
advertising that we send is no sign of life, nor is what a machine did or was taken back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.conditions.moment import Moment, Span
from audience.conditions.registry import Ask
from kit import installation
from kit.sql import Sql, rows, run, sql
from lifecycle.engine import sla
from lifecycle.ledger import ledgers, whereabouts
from lifecycle.models import Lifecycle, UsualStay

DAYS = 14  # without a sign of life, where nobody says how many
ENOUGH = 10  # finished stays, from which on nine of ten say something


class Why(models.TextChoices):
    """What is exceeded."""

    LONG = "long", _("Longer than nine of ten who left")
    LIMIT = "limit", _("Past the stage's own limit")


def measure(now: datetime) -> int:
    """Write how long nine of ten finished stays had lasted in each stage, where that has changed; in force from the
    next local day on. How many have changed."""
    zone = installation.zone()
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return run(
        sql(
            """
            WITH moves AS (
                SELECT membership.lifecycle_id, movement.membership_id, source.slug AS left_stage,
                       (movement.occurred_at AT TIME ZONE {})::date AS day,
                       lag((movement.occurred_at AT TIME ZONE {})::date) OVER along AS since
                FROM lifecycle_movement movement
                JOIN lifecycle_membership membership ON membership.id = movement.membership_id
                LEFT JOIN lifecycle_stage source ON source.id = movement.from_stage_id
                LEFT JOIN lifecycle_stage target ON target.id = movement.to_stage_id
                LEFT JOIN audience_person person ON person.id = membership.person_id
                LEFT JOIN audience_account account ON account.id = membership.account_id
                WHERE source.slug IS DISTINCT FROM target.slug AND movement.occurred_at < {}
                  AND NOT COALESCE(person.is_excluded, account.is_excluded)
                WINDOW along AS (PARTITION BY movement.membership_id ORDER BY movement.seq)
            ), usual AS (
                SELECT lifecycle_id, left_stage AS stage, count(*) AS stays,
                       percentile_disc(0.9) WITHIN GROUP (ORDER BY day - since) AS days
                FROM moves WHERE left_stage IS NOT NULL AND since IS NOT NULL GROUP BY 1, 2 HAVING count(*) >= {}
            ), told AS (
                SELECT DISTINCT ON (lifecycle_id, stage) lifecycle_id, stage, days FROM lifecycle_usualstay
                WHERE day < {} ORDER BY lifecycle_id, stage, day DESC
            )
            INSERT INTO lifecycle_usualstay (lifecycle_id, stage, day, days, stays)
            SELECT usual.lifecycle_id, usual.stage, {}, usual.days, usual.stays
            FROM usual LEFT JOIN told USING (lifecycle_id, stage) WHERE usual.days IS DISTINCT FROM told.days
            ON CONFLICT (lifecycle_id, stage, day) DO UPDATE SET days = EXCLUDED.days, stays = EXCLUDED.stays
            """,
            str(zone),
            str(zone),
            now,
            ENOUGH,
            tomorrow,
            tomorrow,
        )
    )


def answers(slug: str, ask: Ask) -> Sql:
    """`subject_id, value, evidence` for conditions: whether each member who can be stuck is."""
    stays = told(slug, ask)
    return sql("SELECT subject_id, value, NULL::timestamptz AS evidence FROM ({}) stay", stays)


def told(slug: str, ask: Ask) -> Sql:
    """`subject_id, stage, since, usual, is_long, is_late, is_quiet, value` of each member in a stage that can be left.

    Whether somebody has stirred is looked up of those alone who are there too long.
    """
    moment = ask.moment
    return sql(
        """
        WITH here AS MATERIALIZED (
            SELECT place.subject_id, place.value AS stage, place.evidence AS since FROM ({}) place
            WHERE place.value IN ({})
        ), usual AS MATERIALIZED (
            SELECT DISTINCT ON (stage) stage, days FROM lifecycle_usualstay WHERE lifecycle_id = {}
            ORDER BY stage, day > {}, CASE WHEN day <= {} THEN {} - day ELSE day - {} END
        ), own AS MATERIALIZED ({}
        ), calendar AS MATERIALIZED ({}
        ), stay AS (
            SELECT here.*, usual.days AS usual, COALESCE({} > usual.days, false) AS is_long,
                   CASE WHEN own.limit_hours IS NULL THEN false  -- who has no limit costs no look at the calendar
                        ELSE {} - {} >= own.limit_hours * {} END AS is_late
            FROM here LEFT JOIN usual USING (stage) LEFT JOIN own USING (stage) LEFT JOIN calendar USING (named)
        )
        SELECT stay.*, quiet.is_quiet, COALESCE(quiet.is_quiet, false) AS value
        FROM stay
        LEFT JOIN LATERAL (SELECT NOT EXISTS ({}) AS is_quiet WHERE stay.is_long OR stay.is_late) quiet ON true
        """,
        whereabouts.here(slug, ask),
        _held(slug),
        _id(slug),
        moment.today,
        moment.today,
        moment.today,
        moment.today,
        _limits(slug),
        sla.calendars(
            Sql("(SELECT own.named, here.since FROM here JOIN own USING (stage))"),
            first=Sql("min(since)"),
            last=sql("{}::timestamptz", moment.at),
            hours=Sql("1"),
        ),
        moment.days_since(Sql("here.since")),
        sla.worked(sql("{}::timestamptz", moment.at)),
        sla.worked(Sql("here.since")),
        sla.HOUR,
        _stirred(ask, moment, Sql("stay.subject_id")),
    )


def touched(slug: str, ask: Ask, span: Span) -> list[Sql]:
    """Whom it touches between two instants: who moved, whose stay comes of age or falls due, who stirred or has been
    still for so long, and whose stage has got another usual stay."""
    ages = tuple(days + 1 for (days,) in rows(sql("SELECT DISTINCT days FROM lifecycle_usualstay")))
    moved = [whereabouts.with_movement(slug, span.within("v.occurred_at"))]
    if crosses := span.instant_crosses("v.occurred_at", ages):
        moved.append(whereabouts.with_movement(slug, crosses))
    due = sql(
        """SELECT m.subject_id FROM {} m JOIN lifecycle_stage g ON g.id = m.stage_id
           WHERE m.lifecycle_id = {} AND m.ended_at IS NULL AND g.kind = 'sla' AND {}""",
        ledgers.of(slug).memberships,
        _id(slug),
        span.within("m.due_at"),
    )
    renewed = sql(
        """SELECT m.subject_id FROM {} m JOIN lifecycle_stage g ON g.id = m.stage_id
           WHERE m.lifecycle_id = {} AND m.ended_at IS NULL AND g.slug IN (
               SELECT stage FROM lifecycle_usualstay WHERE lifecycle_id = m.lifecycle_id AND day > {} AND day <= {})""",
        ledgers.of(slug).memberships,
        _id(slug),
        span.since.today,
        span.until.today,
    )
    happened = [span.within("a.occurred_at"), span.leaves_window("a.occurred_at", ask.days or DAYS)]
    return [*moved, due, renewed, *(_of_activity(ask.of, when) for when in happened)]


def _of_activity(of: str, when: Sql) -> Sql:
    """The subjects of the activities of some time; an account's are its own and those of its people."""
    if of == "person":
        return sql("SELECT a.person_id FROM audience_activity a WHERE {}", when)
    return sql(
        """SELECT COALESCE(a.account_id, p.account_id) FROM audience_activity a
           LEFT JOIN audience_person p ON p.id = a.person_id WHERE {}""",
        when,
    )


def _stirred(ask: Ask, moment: Moment, subject: Sql) -> Sql:
    """A sign of life within the days asked for: from the subject, or from human to human."""
    whose = sql("a.person_id = {}", subject)
    if ask.of == "account":
        whose = sql(
            """(a.account_id = {} OR a.account_id IS NULL
                AND a.person_id IN (SELECT p.id FROM audience_person p WHERE p.account_id = {}))""",
            subject,
            subject,
        )
    return sql(
        """SELECT FROM audience_activity a JOIN audience_activitykind k ON k.id = a.kind_id
           LEFT JOIN audience_channel c ON c.slug = COALESCE(NULLIF(a.channel, ''), k.channel)
           WHERE {} AND a.occurred_at >= {} AND {} AND a.actor = 'human' AND a.reversal_of_id IS NULL
             AND (COALESCE(NULLIF(a.direction, ''), k.direction) <> 'outbound' OR c.is_human)
             AND NOT EXISTS (SELECT FROM audience_activity back WHERE back.reversal_of_id = a.id AND {})""",
        whose,
        moment.window_start(ask.days or DAYS),
        moment.counts("a"),
        Sql("true") if moment.known is None else sql("back.recorded_at < {}", moment.known),
    )


def _id(slug: str) -> Sql:
    return sql("(SELECT c.id FROM lifecycle_lifecycle c WHERE c.slug = {})", slug)


def _held(slug: str) -> Sql:
    """The stages in which somebody can be stuck: those that are left."""
    return sql(
        """SELECT g.slug FROM lifecycle_stage g JOIN lifecycle_version e ON e.id = g.version_id
           WHERE e.lifecycle_id = {} AND g.kind NOT IN ('terminal', 'gate')""",
        _id(slug),
    )


def _limits(slug: str) -> Sql:
    """The limits of the newest version that was ever live, by stage, and by which calendar they count."""
    return sql(
        """SELECT DISTINCT ON (g.slug) g.slug AS stage, g.limit_hours, g.calendar AS named
           FROM lifecycle_stage g JOIN lifecycle_version e ON e.id = g.version_id
           WHERE e.lifecycle_id = {} AND e.state <> 'draft' AND g.kind = 'sla' AND g.limit_hours > 0
           ORDER BY g.slug, e.number DESC""",
        _id(slug),
    )


# ---- the list, and its counts ----


def of(lifecycle: Lifecycle, *, at: datetime, days: int = DAYS) -> Sql:
    """Those who are stuck as of an instant, as `told` has them; the excluded are among them."""
    stays = told(lifecycle.slug, _asking(lifecycle, at, days))
    return sql("SELECT * FROM ({}) stay WHERE value", stays)


def counts(lifecycle: Lifecycle, *, at: datetime, days: int = DAYS, seen: Sql | None = None) -> dict[str, int]:
    """How many of those who count are stuck in each stage; `seen` narrows to subjects (a condition on `subject_id`)."""
    subjects = Sql("audience_person" if lifecycle.of == "person" else "audience_account")
    found = sql(
        """SELECT stage, count(*) FROM ({}) stuck JOIN {} subject ON subject.id = stuck.subject_id
           WHERE NOT subject.is_excluded AND {} GROUP BY 1""",
        of(lifecycle, at=at, days=days),
        subjects,
        seen or Sql("true"),
    )
    return dict(rows(found))


def condition(lifecycle: Lifecycle, stage: str, days: int) -> dict[str, Any]:
    """The condition whose members are those who are stuck, in a stage or in any, and count in figures."""
    inside = [{"field": f"stage.{lifecycle.slug}", "op": "is", "value": stage}] if stage else []
    stuck = {"field": f"stage.{lifecycle.slug}.stalled", "op": "is", "value": True, "days": days}
    return {"all": [*inside, stuck, {"field": f"{lifecycle.of}.is_excluded", "op": "is", "value": False}]}


def usual(lifecycle: Lifecycle) -> list[UsualStay]:
    """The usual stays as they were measured last, by stage."""
    return list(UsualStay.objects.filter(lifecycle=lifecycle).order_by("stage", "-day").distinct("stage"))


def is_measured(lifecycle: Lifecycle, now: datetime) -> bool:
    """Whether it is known by now how long stays last. It is measured at night, and holds from the next day on."""
    today = now.astimezone(installation.zone()).date()
    return UsualStay.objects.filter(lifecycle=lifecycle, day__lte=today).exists()


def _asking(lifecycle: Lifecycle, at: datetime, days: int) -> Ask:
    return Ask(lifecycle.of, Moment(at), (), days, None, True)  # type: ignore[arg-type]  # asked by nobody's condition
