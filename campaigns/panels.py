"""What campaigns show elsewhere: on a profile the campaigns of somebody, on the settings page the cap on messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from audience.models import Form, Person, Segment
from campaigns import capping, senders
from campaigns.models import Campaign, Enrollment
from kit import rights
from lifecycle.models import Lifecycle

MOST = 20  # passes, and campaigns that could take somebody
# Words of kit.look for the states of an enrollment.
ENROLLMENT_STATUS = {
    Enrollment.State.ACTIVE: "open",
    Enrollment.State.HOLDOUT: "held",
    Enrollment.State.FINISHED: "done",
    Enrollment.State.GOAL: "won",
    Enrollment.State.EXITED: "closed",
    Enrollment.State.STOPPED: "cancelled",
    Enrollment.State.QUARANTINED: "attention",
}


def from_segment(segment: Segment, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """The way from a segment of people to a campaign for it, for those who may make one."""
    if segment.of != "person" or not rights.may(request.user, "edit"):
        return None
    name = _("For “%(segment)s”") % {"segment": segment}
    url = f"{reverse('campaign_new')}?{urlencode({'segment': segment.slug, 'name': name[:200]})}"
    return {"segment": segment, "url": url}


def of_person(person: Person, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """The newest pass through each campaign, those on the way first; None where nothing was ever launched."""
    passes = Enrollment.objects.filter(subject_id=person.pk).select_related("campaign", "version")
    newest = list(passes.order_by("campaign_id", "-pass_number").distinct("campaign_id"))
    newest.sort(key=lambda each: (each.state != Enrollment.State.ACTIVE, -each.entered_at.timestamp()))
    others = Campaign.objects.filter(state=Campaign.State.RUNNING).exclude(pk__in=[each.campaign_id for each in newest])
    outside = list(others.order_by("name")[:MOST])
    if not newest and not outside:
        return None
    return {
        "person": person,
        "passes": [(each, ENROLLMENT_STATUS[Enrollment.State(each.state)]) for each in newest[:MOST]],
        "outside": outside,
        "may_enroll": rights.may(request.user, "edit"),
    }


def of_stage(stage: tuple[Lifecycle, str], _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of a stage's card: the campaigns that are bound to the stage, those that were stopped left out."""
    lifecycle, slug = stage
    bound = Campaign.objects.filter(lifecycle=lifecycle, stage=slug).exclude(state=Campaign.State.STOPPED)
    return {"campaigns": list(bound.order_by("name"))}


def cap(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of the settings page: how often one person is written to at most, and where that is said."""
    cap = capping.cap()
    says = _("At most %(messages)s messages to one person within %(days)s days.") if cap else _("There is no limit.")
    told = says % {"messages": cap.messages, "days": cap.days} if cap else says
    return {"says": told, "label": _("How mail leaves"), "url": f"{reverse('channel')}#cap"}


def without_sender(_form: Form, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """Of the page of a form: that its confirmations wait, as long as nobody is there in whose name to send."""
    return None if senders.default() else {}
