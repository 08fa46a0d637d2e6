"""Rules that run by themselves: a pass of every live version over whoever was marked, and over whom time has changed.

A version whose rules fail stops alone and says why; its subjects are judged again when somebody has it go on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DataError, ProgrammingError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile
from audience.conditions.tree import ConditionError
from kit import audit, notices
from kit.models import User
from kit.sql import Sql, rows, sql
from lifecycle import rules, sla
from lifecycle.models import Movement, Version

ROUND = timedelta(hours=1)  # within which nobody goes through more stages by rules than there are
STOPPED = "rules.stopped"  # the kind of notices about it
A_DAY = timedelta(hours=26)  # a local day at its longest, and the hour
FAULTS = (ConditionError, DataError, ProgrammingError)  # of the rules themselves; a lost connection is none of theirs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Circle:
    """Two stages between which rules send subjects to and fro, and how many of them."""

    source: str
    target: str
    subjects: int


def live_versions() -> QuerySet[Version]:
    """The versions whose rules run."""
    found = Version.objects.filter(state=Version.State.PUBLISHED, stopped_at=None)
    return found.select_related("lifecycle", "created_by").order_by("pk")


def judge(subjects: Sql, *, at: datetime, now: datetime) -> int:
    """Apply the rules of every live version to the subjects of a statement, as of `at`; movements written."""
    return sum(_apply(version, subjects, at=at, now=now) for version in live_versions())


def clock(now: datetime) -> None:
    """Mark those whose answer to a rule may differ since the version was last looked at, whatever made it so; and when
    the working calendar was changed, whoever is in an SLA stage is due by the new one."""
    sla.keep()
    for version in live_versions():
        with transaction.atomic():
            looked = Version.objects.select_for_update().get(pk=version.pk)
            since, until = looked.looked_until or now, now + live.INSTANT
            if since < until:
                _mark_changed(version, since, until, now)
                Version.objects.filter(pk=version.pk).update(looked_until=until)


def stop(version: Version, because: str, now: datetime) -> None:
    """The rules of this version stand still until `resume`; nobody is moved by them."""
    if not Version.objects.filter(pk=version.pk, stopped_at=None).update(stopped_at=now, stopped_because=because[:500]):
        return
    title = _("The rules of %(version)s stand still") % {"version": version}
    link = reverse("lifecycle_version", args=[version.lifecycle.slug, version.number])
    notices.tell(version.created_by, STOPPED, title, because[:500], link=link, now=now)
    audit.record("lifecycle.stop", str(version), by=None, now=now, after={"because": because[:500]})


def resume(version: Version, *, by: User | None, now: datetime) -> bool:
    """Have the rules go on, over everybody, as anything may have happened meanwhile. False when they do run."""
    stopped = Version.objects.filter(pk=version.pk).exclude(stopped_at=None)
    with transaction.atomic():
        if not stopped.update(stopped_at=None, stopped_because="", looked_until=now):
            return False
        live.mark_everybody(version.lifecycle.of)
        audit.record("lifecycle.resume", str(version), by=by, now=now)
    return True


def circles(version: Version, now: datetime) -> list[Circle]:
    """Between which stages those go round whom the rules have moved too often within the last hour; most first."""
    found = rows(
        sql(
            """
            SELECT source.name, target.name, count(DISTINCT membership.subject_id)
            FROM lifecycle_movement movement
            JOIN lifecycle_membership membership ON membership.id = movement.membership_id
            JOIN lifecycle_stage source ON source.id = movement.from_stage_id
            JOIN lifecycle_stage target ON target.id = movement.to_stage_id
            WHERE movement.version_id = {} AND {} AND membership.subject_id IN ({})
            GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 6
            """,
            version.pk,
            _lately_by_rule(now),
            _restless(version, now),
        )
    )
    return [Circle(*each) for each in found]


def _apply(version: Version, subjects: Sql, *, at: datetime, now: datetime) -> int:
    try:
        with transaction.atomic():
            calm = sql("{} EXCEPT ({})", subjects, _restless(version, now))
            return rules.run_pass(rules.read(version), among=calm, at=at, now=now)
    except FAULTS as fault:
        logger.exception("the rules of %s stop", version)
        stop(version, str(fault), now)
        return 0


def _mark_changed(version: Version, since: datetime, until: datetime, now: datetime) -> None:
    try:
        with transaction.atomic():
            asked = rules.read(version).questions.values()
            live.mark(compile.touched(asked, of=version.lifecycle.of, since=since, until=until, rising=True))
    except FAULTS as fault:
        logger.exception("the rules of %s stop", version)
        stop(version, str(fault), now)


def _restless(version: Version, now: datetime) -> Sql:
    """Those whom the rules have moved more often within the last hour than there are stages: they go in a circle."""
    return sql(
        """
        SELECT membership.subject_id FROM lifecycle_movement movement
        JOIN lifecycle_membership membership ON membership.id = movement.membership_id
        WHERE movement.version_id = {} AND {}
        GROUP BY membership.subject_id
        HAVING count(*) > (SELECT count(*) FROM lifecycle_stage WHERE version_id = {})
        """,
        version.pk,
        _lately_by_rule(now),
        version.pk,
    )


def _lately_by_rule(now: datetime) -> Sql:
    # A rule dates its moves within the local day at the earliest, so the index by time finds them among few.
    return sql(
        "movement.occurred_at > {} AND movement.recorded_at > {} AND movement.kind = {}",
        now - A_DAY,
        now - ROUND,
        Movement.Kind.RULE,
    )
