"""Campaigns follow what happens within seconds: who enters, whose wait is over, who leaves.

The judge of the live engine behind scores, stages and segments: whoever changed is looked at for every campaign that
runs. The clock marks those whom time alone brings in or out. Who is there at a launch is enrolled by a job.

A condition that cannot be asked, or takes too long, removes nobody and stops nobody else: its campaign pauses and says
why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.db import DataError, ProgrammingError, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from audience import live as engine
from audience.conditions import compile, describe, tree
from audience.conditions.tree import ConditionError, Node
from campaigns import entry, journeys, plans
from campaigns.models import Campaign, CampaignVersion, Enrollment, Step
from kit import jobs, origin, reading
from kit.sql import Sql, join, name, rows, run, sql, value

FAULTS = (ConditionError, DataError, ProgrammingError, reading.TooSlow)  # of a condition; a lost connection is none
LOOK_TIME = 10.0  # seconds for one campaign and one batch
CLOCK_TIME = 60.0
CHUNK = 5_000  # people of one transaction of the job
JOB = "campaign_entry"

State = Enrollment.State
Entry = CampaignVersion.Entry
GOAL, EXIT, STAGE, WAKE = "goal", "exit", "stage", "wake"

logger = logging.getLogger(__name__)


# ---- the judge ----


def judge(subjects: Sql, *, at: datetime, now: datetime) -> None:
    """Bring every campaign that runs up to date for the subjects of a statement (subject_id), as of `at`."""
    _let_go(subjects, now)
    for version in _with(subjects):
        _guarded(version, LOOK_TIME, now, partial(follow, version, subjects, at=at, now=now))
    for version in _live().filter(entry__in=[Entry.STAGE, Entry.SEGMENT]):
        _guarded(version, LOOK_TIME, now, partial(_enter, version, subjects, at=at, now=now))


def follow(version: CampaignVersion, subjects: Sql, *, at: datetime, now: datetime) -> None:
    """Of the subjects who are on the way in a version: who leaves as of `at`, and whose wait for something is over."""
    found: dict[str, list[int]] = {}
    asked = questions(version)
    for enrollment, what in rows(_verdicts(version, asked, subjects, at)):
        found.setdefault(what, []).append(enrollment)
    told = {
        GOAL: (State.GOAL, _("reached the goal: %(goal)s")),
        EXIT: (State.EXITED, _("left because: %(exit)s")),
        STAGE: (State.EXITED, _("left the stage")),
    }
    words = {each: describe.sentence(asked[each]) for each in (GOAL, EXIT) if each in asked}
    for what, (state, reason) in told.items():
        if ids := found.get(what):
            journeys.leave(_these(ids), state=state, reason=reason % words, now=now)
    if ids := found.get(WAKE):
        run(
            sql(
                "UPDATE campaigns_enrollment e SET wake_at = {} WHERE e.id = ANY ({}) AND e.state = 'active' "
                "AND (e.wake_at IS NULL OR e.wake_at > {})",
                now,
                ids,
                now,
            )
        )


def questions(version: CampaignVersion) -> dict[str, Node]:
    """What is asked all the time of those on the way: goal, exit, and what waits are for (by the step's number)."""
    asked = {GOAL: version.goal, EXIT: version.exit}
    waits = version.steps.filter(kind=Step.Kind.WAIT_UNTIL)
    asked |= {str(step.pk): step.condition for step in waits}
    return {key: tree.parse(condition, of="person") for key, condition in asked.items() if condition is not None}


def _verdicts(version: CampaignVersion, asked: dict[str, Node], subjects: Sql, at: datetime) -> Sql:
    """The enrollments of the subjects on the way, with what is to be done; those for whom it is nothing left out."""
    here = sql("e.version_id = {} AND e.state = 'active' AND e.subject_id IN ({})", version.pk, subjects)
    cases = []
    if entry.stays_with_stage(version):
        gone = entry.in_stage(version.campaign, Sql("e.subject_id"))
        cases.append(sql("WHEN NOT {} THEN {}", gone, STAGE))
    answers = Sql("")
    if asked:
        among = sql("SELECT e.subject_id FROM campaigns_enrollment e WHERE {}", here)
        table = compile.table({f"q{key}": node for key, node in asked.items()}, of="person", at=at, among=among)
        answers = sql("JOIN ({}) answer ON answer.subject_id = e.subject_id", table)
        ends = [sql("WHEN answer.{} THEN {}", name(f"q{key}"), key) for key in (GOAL, EXIT) if key in asked]
        cases = ends + cases
        waits = [key for key in asked if key not in (GOAL, EXIT)]
        cases += [sql("WHEN e.step_id = {} AND answer.{} THEN {}", int(key), name(f"q{key}"), WAKE) for key in waits]
    if not cases:
        return Sql("SELECT NULL, NULL WHERE false")
    return sql(
        "SELECT id, what FROM (SELECT e.id, CASE {} END AS what FROM campaigns_enrollment e {} WHERE {}) judged "
        "WHERE what IS NOT NULL",
        join(" ", cases),
        answers,
        here,
    )


def _let_go(subjects: Sql, now: datetime) -> None:
    """Whoever was erased, or is left out of figures by now, is in no campaign."""
    for column, reason in (("erased_at IS NOT NULL", _("erased")), ("is_excluded", _("left out of figures"))):
        gone = sql(
            f"""SELECT e.id AS enrollment_id FROM campaigns_enrollment e
                JOIN audience_person p ON p.id = e.person_id
                WHERE e.state = 'active' AND e.subject_id IN ({{}}) AND p.{column}""",
            subjects,
        )
        journeys.leave(gone, state=State.EXITED, reason=reason, now=now)


def _enter(version: CampaignVersion, subjects: Sql, *, at: datetime, now: datetime) -> None:
    if value(sql("SELECT EXISTS ({})", entry.arrivals(version, at=at, among=subjects))):
        entry.enroll_many(version, entry.entrants(version, at=at, among=subjects), at=at, now=now)


def _live() -> QuerySet[CampaignVersion]:
    """The versions that people enter."""
    return _running().filter(state=CampaignVersion.State.LIVE)


def _running() -> QuerySet[CampaignVersion]:
    found = CampaignVersion.objects.filter(campaign__state=Campaign.State.RUNNING, launched_at__isnull=False)
    return found.select_related("campaign__lifecycle", "segment").order_by("pk")


def _with(subjects: Sql) -> list[CampaignVersion]:
    """The versions of running campaigns that some of the subjects are on their way through."""
    there = sql(
        "SELECT DISTINCT e.version_id FROM campaigns_enrollment e WHERE e.state = 'active' AND e.subject_id IN ({})",
        subjects,
    )
    ids = [row[0] for row in rows(there)]
    return list(_running().filter(pk__in=ids)) if ids else []


def _these(ids: list[int]) -> Sql:
    return sql("SELECT unnest({}::bigint[]) AS enrollment_id", ids)


def _guarded(version: CampaignVersion, seconds: float, now: datetime, work: Callable[[], Any]) -> None:
    """Do it, all or nothing; a condition that fails pauses this campaign alone."""
    try:
        with reading.in_time(seconds):
            work()
    except FAULTS as fault:
        logger.warning("the campaign %s pauses: %s", version.campaign.slug, fault)
        plans.pause(version.campaign, because=in_words(fault), by=None, now=now)


def in_words(fault: Exception) -> str:
    """Why a campaign pauses by itself."""
    if isinstance(fault, reading.TooSlow):
        return _("Its conditions took too long to ask. Nobody has left or entered by that.")
    if isinstance(fault, ConditionError):
        return _("One of its conditions cannot be asked any more: %(why)s") % {"why": fault.message}
    return _("One of its conditions compares with a value that is too large or too odd. Nobody has left by that.")


# ---- the clock ----


def clock(now: datetime) -> None:
    """Mark those whom time alone may have brought into a campaign, to its goal or exit, or to the end of a wait."""
    begin(now)  # before the look that tells it from what was begun
    until = now + engine.INSTANT
    for version in _running():
        if version.looked_until is not None and version.looked_until < until:
            _guarded(version, CLOCK_TIME, now, partial(_look, version, until))


def _look(version: CampaignVersion, until: datetime) -> None:
    """Only those on the way, and those whom the entry brings, are of interest."""
    since = version.looked_until
    inside = sql(
        "SELECT e.subject_id FROM campaigns_enrollment e WHERE e.version_id = {} AND e.state = 'active'", version.pk
    )
    _mark(list(questions(version).values()), inside, since, until)
    admission = entry.admission(version) if version.state == CampaignVersion.State.LIVE else None
    if admission is not None and version.entry in (Entry.STAGE, Entry.SEGMENT):
        arriving = sql("SELECT subject_id FROM ({}) arriving", entry.arrivals(version, at=until))
        _mark([admission], arriving, since, until)
    CampaignVersion.objects.filter(pk=version.pk, looked_until=since).update(looked_until=until)


def _mark(nodes: list[Node], among: Sql, since: datetime | None, until: datetime) -> None:
    if nodes and since is not None:
        touched = compile.touched(nodes, of="person", since=since, until=until, rising=True)
        engine.mark(sql("SELECT subject_id FROM ({}) touched WHERE subject_id IN ({})", touched, among))


# ---- who is there at the launch ----


def begin(now: datetime) -> int:
    """Start a job for each launched version that those already there enter, and that has none yet; how many.

    Not begun is a version that nobody has looked at since its launch. A job that meets a pause puts it back to that.
    """
    begun = 0
    fresh = _live().filter(looked_until=F("launched_at") + engine.INSTANT)
    for version in (each for each in fresh if each.present or each.entry == Entry.BROADCAST):
        with transaction.atomic():
            claimed = CampaignVersion.objects.filter(pk=version.pk, looked_until=version.looked_until)
            if claimed.update(looked_until=F("launched_at") + 2 * engine.INSTANT):
                title = _("Entrance to %(version)s") % {"version": version}
                with origin.following(version.request_id):
                    jobs.enqueue(JOB, {"version": version.pk}, by=None, now=now, title=title)
                begun += 1
    return begun


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: those whom the entry brings, written down once, enter chunk by chunk."""
    version = CampaignVersion.objects.select_related("campaign__lifecycle", "segment").get(pk=held.payload["version"])
    after, active, holdout = (held.cursor.get(key, 0) for key in ("after", "active", "holdout"))
    total = _write_down(version, held)
    while after < total and _goes_on(version):
        with transaction.atomic():
            entered = _chunk(version, held, after)
            after, active, holdout = after + CHUNK, active + entered.active, holdout + entered.holdout
            held.progress(
                rows_done=min(after, total),
                rows_total=total,
                cursor={"after": after, "active": active, "holdout": holdout, "total": total},
            )
    return {"entered": active, "held_out": holdout, "link": version.campaign.get_absolute_url()}


def tidy(job: Any) -> None:
    """The list of people goes when all of it is done; failed or cancelled work may be taken up again, and needs it."""
    if jobs.Job.objects.filter(pk=job.pk, state=jobs.Job.State.DONE).exists():
        run(sql("DROP TABLE IF EXISTS {}", _list(job.pk)))


def _write_down(version: CampaignVersion, held: jobs.Held) -> int:
    if "total" in held.cursor:
        return int(held.cursor["total"])
    held.progress(phase=_("finding who is there"))
    with transaction.atomic():
        arriving = entry.arrivals(version, at=held.now + engine.INSTANT)
        run(sql("DROP TABLE IF EXISTS {}", _list(held.job.pk)))
        run(
            sql(
                """CREATE UNLOGGED TABLE {} AS
                   SELECT row_number() OVER (ORDER BY subject_id) AS n, subject_id FROM ({}) arriving""",
                _list(held.job.pk),
                arriving,
            )
        )
        run(sql("CREATE INDEX ON {} (n)", _list(held.job.pk)))
        total = int(value(sql("SELECT count(*) FROM {}", _list(held.job.pk))))
        held.progress(phase="", rows_done=0, rows_total=total, cursor={"total": total})
    return total


def _chunk(version: CampaignVersion, held: jobs.Held, after: int) -> entry.Entered:
    some = sql("SELECT subject_id FROM {} WHERE n > {} AND n <= {}", _list(held.job.pk), after, after + CHUNK)
    at = held.now + engine.INSTANT
    try:
        with transaction.atomic():
            entered = entry.enroll_many(version, entry.entrants(version, at=at, among=some), at=at, now=held.now)
    except FAULTS as fault:
        raise jobs.Refused(in_words(fault)) from fault
    entry.look_again(version, some)
    return entered


def _goes_on(version: CampaignVersion) -> bool:
    """Whether people enter still. Paused, the rest enter when it goes on: then it is begun once more."""
    campaign = Campaign.objects.get(pk=version.campaign_id)
    if campaign.state == Campaign.State.PAUSED:
        CampaignVersion.objects.filter(pk=version.pk).update(looked_until=F("launched_at") + engine.INSTANT)
    live = CampaignVersion.objects.filter(pk=version.pk, state=CampaignVersion.State.LIVE)
    return campaign.state == Campaign.State.RUNNING and live.exists()


def _list(job_id: int) -> Sql:
    return Sql(f"work.{name(f'entry_{job_id}').text}")
