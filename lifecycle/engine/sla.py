"""The working calendar as SQL: how long was worked between two instants, and when so many working hours are over.

The calendar is one row of three arrays over the working days of a stretch of time: when each opens, when it closes, and
how many microseconds of work lie before it. An instant's place in it is found by binary search, so that a set of
instants of any size is one statement. Opening hours are local times of the installation's zone; what lies between them
is real time: a day on which the clocks change within them is an hour longer or shorter. The settings are read within
the statement, so that nobody who moves people asks for them first.
"""

from __future__ import annotations

import json

from django.db import transaction
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from kit import installation
from kit.models import Setting
from kit.sql import Sql, run, sql

HOUR = 3_600_000_000  # microseconds
SETTINGS = ("zone", "working_days", "working_from", "working_until", "holidays")
SEEN = "working_calendar_seen"  # the setting under which the calendar of the due dates is noted
ARRAYS = Sql("calendar.opens, calendar.closes, calendar.before")


def calendar(first: Sql, last: Sql, hours: Sql) -> Sql:
    """The relation of one row for the alias `calendar`: from an instant to so far after another that so many hours of
    work fit in. What it says of instants outside is not meant."""
    defaults = json.dumps({name: installation.DEFAULTS[name] for name in SETTINGS})
    return sql("working_calendar({}, {}, {}, {}::jsonb)", first, last, hours, defaults)


def calendar_words() -> str:
    """The working calendar by which limits count, in words."""
    days = ", ".join(str(WEEKDAYS[number - 1]) for number in installation.get("working_days"))
    told = {
        "days": days, "begins": installation.get("working_from"), "ends": installation.get("working_until"),
        "zone": installation.get("zone"), "holidays": len(installation.get("holidays") or []),
    }  # fmt: skip
    return _("%(days)s, %(begins)s to %(ends)s (%(zone)s), less %(holidays)s holidays") % told


def worked(until: Sql) -> Sql:
    """The microseconds worked in the calendar before an instant; two of them differ by what was worked between."""
    return sql("worked_before({}, {})", until, ARRAYS)


def due(since: Sql, hours: Sql) -> Sql:
    """When so many working hours since an instant are over. What would be due when a day opens is due when the one
    before it closes."""
    return sql("working_due({}, {}, {})", since, hours, ARRAYS)


def redate() -> int:
    """Give every open membership in an SLA stage the due date that today's calendar gives it; how many changed.

    Hand-offs that wait are due with their members.
    """
    changed = _redate_members()
    run(
        Sql(
            """UPDATE lifecycle_handoff held SET due_at = membership.due_at FROM lifecycle_membership membership
               WHERE membership.id = held.membership_id AND held.state = 'offered'
                 AND held.due_at IS DISTINCT FROM membership.due_at"""
        )
    )
    return changed


def _redate_members() -> int:
    return run(
        sql(
            """
            WITH inside AS MATERIALIZED (
                SELECT membership.id, membership.entered_at, stage.limit_hours
                FROM lifecycle_membership membership JOIN lifecycle_stage stage ON stage.id = membership.stage_id
                WHERE membership.ended_at IS NULL AND stage.kind = 'sla' AND stage.limit_hours > 0
            ),
            calendar AS MATERIALIZED (
                SELECT calendar.* FROM (
                    SELECT min(entered_at) AS first, max(entered_at) AS last, max(limit_hours) AS hours FROM inside
                ) span CROSS JOIN LATERAL {} calendar
            )
            UPDATE lifecycle_membership membership SET due_at = dated.due_at
            FROM (SELECT inside.id, {} AS due_at FROM inside CROSS JOIN calendar) dated
            WHERE dated.id = membership.id AND membership.due_at IS DISTINCT FROM dated.due_at
            """,
            calendar(Sql("span.first"), Sql("span.last"), Sql("span.hours")),
            due(Sql("inside.entered_at"), Sql("inside.limit_hours")),
        )
    )


def keep() -> int:
    """When the working calendar was changed since it was last looked at, redate; how many memberships changed."""
    told = {name: installation.get(name) for name in SETTINGS}
    with transaction.atomic():
        Setting.objects.get_or_create(key=SEEN, defaults={"value": told})
        seen = Setting.objects.select_for_update().get(key=SEEN)
        if seen.value == told:
            return 0
        changed = redate()
        seen.value = told
        seen.save()
    return changed
