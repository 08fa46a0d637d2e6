"""Campaigns for tests, made by the verbs that pages call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audience.models import Segment, SegmentMember, Topic
from campaigns import plans
from campaigns.models import (
    Campaign,
    CampaignVersion,
    Content,
    ContentVersion,
    Enrollment,
    Message,
    Sender,
    Step,
    message_id,
)
from lifecycle.models import Version
from tests.factories import NOW

WEEK = {"days": 7}


def sender(**values: Any) -> Sender:
    """Whoever writes by default."""
    told = {"name": "Ada of Marlow Creek", "address": "ada@marlowcreek.example", "is_default": True}
    return Sender.objects.get_or_create(address=values.get("address", told["address"]), defaults=told | values)[0]


def topic(**values: Any) -> Topic:
    """A topic to write about."""
    told = {"slug": "news", "label": "News"} | values
    return Topic.objects.get_or_create(slug=told.pop("slug"), defaults=told)[0]


def content(name: str = "Welcome", html: str = "<p>Hello {{ person.first_name }}</p>", **values: Any) -> Content:
    """Content with one version whose HTML stands as it was compiled."""
    made = Content.objects.create(
        slug=name.lower().replace(" ", "_"), name=name, created_at=NOW, updated_at=NOW, style="education"
    )
    told = {"subject": name, "source": html, "html": html, "text": "Hello {{ person.first_name }}"}
    ContentVersion.objects.create(content=made, number=1, created_at=NOW, **told | values)
    return made


def segment(*people: Any, name: str = "Chosen", at: datetime = NOW) -> Segment:
    """A fixed list of these people."""
    made = Segment.objects.create(name=name, slug=name.lower(), kind=Segment.Kind.STATIC, created_at=at, updated_at=at)
    SegmentMember.objects.bulk_create(SegmentMember(segment=made, person=each, entered_at=at) for each in people)
    return made


def campaign(
    name: str = "Nurture", *, version: Version | None = None, stage: str = "", now: datetime = NOW, **values: Any
) -> CampaignVersion:
    """The draft of a campaign with topic and sender, bound to a stage of a lifecycle's version when one is given."""
    topic(), sender()
    bound = {"lifecycle": version.lifecycle, "stage": stage} if version else {}
    made = plans.create(name, kind=Campaign.Kind.NURTURE, by=None, now=now, **bound)
    draft = plans.draft_of(made, by=None, now=now)
    if values:
        plans.change(draft, **values)
    return draft


def launched(draft: CampaignVersion, now: datetime = NOW, **values: Any) -> CampaignVersion:
    """The same version, live."""
    plans.launch(draft, by=None, now=now, **values)
    draft.refresh_from_db()
    return draft


def simple(name: str = "Nurture", **values: Any) -> CampaignVersion:
    """A draft that sends, waits a week, and sends again."""
    draft = campaign(name, **values)
    for kind, more in (
        ("send", {"content": content(f"{name} one")}),
        ("wait", {"settings": WEEK}),
        ("send", {"content": content(f"{name} two")}),
    ):
        plans.add_step(draft, kind, **more)
    return draft


def steps(version: CampaignVersion) -> list[Step]:
    """The steps at the top, in their order."""
    return list(version.steps.filter(parent=None).order_by("position"))


def sent(reader: Any, step: Step, *, at: datetime = NOW, visit: int = 1, **values: Any) -> Message:
    """A message to a person at a sending step of a launched version, that left at an instant."""
    version = step.version
    enrollment, _new = Enrollment.objects.get_or_create(
        campaign=version.campaign, person=reader, version=version, defaults={"entered_at": at, "step": step}
    )
    message = Message.objects.create(
        id=message_id(enrollment.pk, step.pk, visit), campaign=version.campaign, enrollment=enrollment, step=step,
        visit=visit, person=reader, topic=version.campaign.topic, sender=version.campaign.sender,
        content_version=step.content_version, due_at=at, created_at=at, **values,
    )  # fmt: skip
    for state in ("claimed", "sending", "sent"):
        Message.objects.filter(pk=message.pk).update(state=state, sent_at=at if state == "sent" else None)
    message.refresh_from_db()
    return message
