"""Rules that run by themselves: a pass of every live version over whoever was marked, and over whom time has changed.

A rule that fails stops alone and says why; the others go on, and its subjects are judged again when somebody has it go
on. Only where no rule can be told to be at fault does the whole version stop.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from kit import audit, notices
from kit.models import Notice, User
from kit.sql import Sql, rows, sql
from lifecycle.engine import overdue, passes, rules, sla
from lifecycle.models import Movement, StoppedRule, Transition, Version

ROUND = timedelta(hours=1)  # within which nobody goes through more stages by rules than there are
A_WHILE = timedelta(days=1)  # after which a circle that still turns is told of again
STOPPED, CIRCLE = "lifecycle.stopped", "lifecycle.circle"  # kinds of notices
NOBODY = Sql("SELECT NULL::bigint AS subject_id WHERE false")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Circle:
    """The stages through which rules send subjects round, in order and closed, and how many subjects."""

    stages: tuple[str, ...]
    subjects: int

    def __str__(self) -> str:
        return " → ".join(self.stages)


def live_versions() -> QuerySet[Version]:
    """The versions whose rules run."""
    found = Version.objects.filter(state=Version.State.PUBLISHED, stopped_at=None)
    return found.select_related("lifecycle", "created_by").order_by("pk")


def judge(subjects: Sql, *, at: datetime, now: datetime) -> int:
    """Apply the rules of every live version to the subjects of a statement, as of `at`; movements written."""
    return sum(_apply(version, subjects, at=at, now=now) for version in live_versions())


def clock(now: datetime) -> None:
    """Mark those whose answer to a rule may differ since the version was last looked at, whatever made it so; and when
    a working calendar was changed, whoever is in a stage that counts by it is due by the new one, and judged anew. Tell
    of circles, and of limits that were missed."""
    if sla.keep():
        live.mark(Sql("SELECT subject_id FROM lifecycle_membership WHERE ended_at IS NULL AND due_at IS NOT NULL"))
    for version in live_versions():
        with transaction.atomic():
            looked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
            since, until = looked.looked_until or now, now + live.INSTANT
            if since < until:
                _mark_changed(version, since, until, now)
                Version.objects.filter(pk=version.pk).update(looked_until=until)
        _tell_of_circles(version, now)
    overdue.find(now)
    overdue.tell(now)


def stop(version: Version, because: str, now: datetime) -> None:
    """The rules of this version stand still until `resume`; nobody is moved by them."""
    if not Version.objects.filter(pk=version.pk, stopped_at=None).update(stopped_at=now, stopped_because=because[:500]):
        return
    audit.record("lifecycle.stop", str(version), by=None, now=now, after={"because": because[:500]})
    title = _("The rules of “%(version)s” stand still") % {"version": version}
    notices.tell(None, STOPPED, title, because, link=_page(version), now=now)


def resume(version: Version, *, by: User | None, now: datetime) -> bool:
    """Have the rules go on, over everybody, as anything may have happened meanwhile. False when they all do run."""
    stopped = Version.objects.filter(pk=version.pk).exclude(stopped_at=None)
    with transaction.atomic():
        alone, _by_table = StoppedRule.objects.filter(version=version).delete()
        if not stopped.update(stopped_at=None, stopped_because="", looked_until=now) and not alone:
            return False
        live.mark_everybody(version.lifecycle.of)
        audit.record("lifecycle.resume", str(version), by=by, now=now)
    return True


def circles(version: Version, now: datetime) -> list[Circle]:
    """Through which stages those go round whom the rules have moved too often within the last hour; most first."""
    ways = rows(
        sql(
            """
            SELECT array_agg(target.name ORDER BY movement.seq) AS way, membership.subject_id
            FROM lifecycle_movement movement
            JOIN lifecycle_membership membership ON membership.id = movement.membership_id
            JOIN lifecycle_stage target ON target.id = movement.to_stage_id
            WHERE movement.version_id = {} AND {} AND membership.subject_id IN ({})
            GROUP BY membership.id
            """,
            version.pk,
            _lately_by_rule(now),
            _restless(version, now),
        )
    )
    found = Counter(_loop(way) for way, _subject in ways)
    return [Circle((*loop, loop[0]), count) for loop, count in sorted(found.items(), key=lambda each: (-each[1], each))]


def _loop(way: list[str]) -> tuple[str, ...]:
    """The last round of a way that goes in a circle, beginning with the stage that comes first in the alphabet."""
    before = [place for place, stage in enumerate(way[:-1]) if stage == way[-1]]
    round_ = way[before[-1] : -1] if before else way
    first = round_.index(min(round_))
    return tuple(round_[first:] + round_[:first])


def _tell_of_circles(version: Version, now: datetime) -> None:
    """One notice a day to administrators while people go round."""
    told = Notice.objects.filter(kind=CIRCLE, link=_page(version), created_at__gt=now - A_WHILE)
    found = circles(version, now)
    if not found or told.exists():
        return
    title = _("Rules of “%(version)s” send people round in a circle") % {"version": version}
    body = "\n".join(f"{each}: {each.subjects}" for each in found)
    notices.tell(None, CIRCLE, title, body, link=_page(version), now=now)


def _page(version: Version) -> str:
    return reverse("lifecycle_version", args=[version.lifecycle.slug, version.number])


def _apply(version: Version, subjects: Sql, *, at: datetime, now: datetime) -> int:
    def run() -> int:
        with transaction.atomic():
            calm = sql("{} EXCEPT ({})", subjects, _restless(version, now))
            return passes.apply(rules.read(version), among=calm, at=at, now=now)

    try:
        return run()
    except rules.FAULTS as fault:
        if not _stop_the_faulty(version, subjects, at=at, now=now):
            _stop(version, fault, now)
            return 0
    try:
        return run()
    except rules.FAULTS as fault:
        _stop(version, fault, now)
        return 0


def _mark_changed(version: Version, since: datetime, until: datetime, now: datetime) -> None:
    def mark() -> None:
        with transaction.atomic():
            live.mark(rules.touched(rules.read(version), since, until))

    try:
        mark()
    except rules.FAULTS as fault:
        if _stop_the_faulty(version, NOBODY, at=until, now=now):
            mark()
        else:
            _stop(version, fault, now)


def _stop(version: Version, fault: Exception, now: datetime) -> None:
    logger.error("the rules of %s stop", version, exc_info=fault)
    stop(version, str(fault), now)


def _stop_the_faulty(version: Version, subjects: Sql, *, at: datetime, now: datetime) -> bool:
    """Stop the rules that cannot be asked of these subjects, each alone; False when none can be told to be at fault."""
    known = {each or rules.ENTRY for each in version.stopped_rules.values_list("transition_id", flat=True)}
    faulty = {key: why for key, why in rules.faults(version, subjects, at).items() if key not in known}
    for key, because in faulty.items():
        rule = Transition.objects.select_related("from_stage", "to_stage").filter(pk=key).first()
        stopped, _new = StoppedRule.objects.get_or_create(
            version=version, transition=rule, defaults={"stopped_at": now, "because": because[:500]}
        )
        logger.error("the rule “%s” of %s stops: %s", stopped, version, because)
        told = {"rule": str(stopped), "because": stopped.because}
        audit.record("lifecycle.stop_rule", str(version), by=None, now=now, after=told)
        title = _("A rule of “%(version)s” stands still: %(rule)s") % {"version": version, "rule": stopped}
        notices.tell(None, STOPPED, title, because, link=_page(version), now=now)
    return bool(faulty)


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
        now - rules.A_DAY,
        now - ROUND,
        Movement.Kind.RULE,
    )
