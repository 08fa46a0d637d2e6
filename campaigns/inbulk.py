"""Putting many people of a list into a campaign at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audience.conditions.tree import ConditionError
from campaigns import entry, journeys
from campaigns.models import Campaign, Enrollment
from kit import audit, bulk, writing
from kit.models import User
from kit.sql import Sql, sql

OFFERED = 300


def register_all() -> None:
    """Add the action to the list of people."""
    bulk.register(
        "person",
        bulk.Action(
            "enroll",
            gettext_lazy("Put into a campaign"),
            "megaphone",
            "edit",
            run=_enroll,
            told=_told,
            read=_read,
            undo=_undo,
            says=lambda data: str(data["name"]),
            template="campaigns/_bulk_enroll.html",
            context=_campaigns,
        ),
    )


def _campaigns(request: HttpRequest) -> dict[str, Any]:
    return {"running": list(_running().order_by("name")[:OFFERED])}


def _running() -> Any:
    return Campaign.objects.filter(state=Campaign.State.RUNNING)


def _read(form: Mapping[str, str]) -> bulk.Data:
    found = _running().filter(slug=form.get("enroll-slug", "").replace("\x00", "")).first()
    if found is None:
        raise bulk.Refused(_("Choose a campaign that is running."))
    try:
        entry.admission(entry.live_version(found))
    except (entry.Refused, ConditionError) as refused:
        raise bulk.Refused(str(refused)) from refused
    return {"campaign": found.pk, "name": found.name}


def _enroll(subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    campaign = Campaign.objects.filter(pk=data["campaign"], state=Campaign.State.RUNNING).first()
    if campaign is None:
        return 0
    entered = entry.enroll(campaign, subjects, by=by, now=now)
    return entered.active + entered.holdout


def _undo(data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    """Whoever entered then leaves again; what was sent meanwhile cannot be taken back."""
    whom = sql(
        "SELECT id AS enrollment_id FROM campaigns_enrollment "
        "WHERE campaign_id = {} AND entered_at = ANY ({}::timestamptz[]) AND state = 'active'",
        data["campaign"],
        instants,
    )
    left = journeys.leave(whom, state=Enrollment.State.EXITED, reason=_("taken back"), now=now)
    if left:
        gone = sql(
            "SELECT subject_id FROM campaigns_enrollment WHERE campaign_id = {} AND ended_at = {}",
            data["campaign"],
            now,
        )
        audit.record("campaign.enroll_undo", data["name"], by=by, now=now, after={"left": left}, about=gone)
    return left


def _told(count: int, data: bulk.Data) -> str:
    told = ngettext(
        "%(n)s entered “%(campaign)s”; whoever was in it already, or may not enter, did not.",
        "%(n)s entered “%(campaign)s”; whoever was in it already, or may not enter, did not.",
        count,
    )
    return told % {"n": writing.number(count), "campaign": data["name"]}
