"""Campaigns with their versions; messages and letters as far as a user sees whom they went to."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from audience.subjects import sight
from campaigns.models import Campaign, CampaignVersion, Letter, Message

State = CampaignVersion.State


def with_versions() -> QuerySet[Campaign]:
    """Campaigns with the numbers of their live version and of their draft."""
    versions = CampaignVersion.objects.filter(campaign=OuterRef("pk")).values("number")
    return Campaign.objects.annotate(
        live_number=Subquery(versions.filter(state=State.LIVE)),
        draft_number=Subquery(versions.filter(state=State.DRAFT)),
    ).select_related("lifecycle", "topic", "sender", "created_by")


def version_to_show(campaign: Campaign) -> CampaignVersion:
    """The draft, else the live version, else the newest."""
    order = {State.DRAFT: 0, State.LIVE: 1, State.RETIRED: 2}
    versions = campaign.versions.select_related("segment")
    shown = min(versions, key=lambda each: (order[State(each.state)], -each.number))
    return with_campaign(shown, campaign)


def with_campaign(version: CampaignVersion, campaign: Campaign) -> CampaignVersion:
    """The version, sparing a query for its campaign."""
    version.campaign = campaign
    return version


def messages_seen(messages: QuerySet[Message], user: Any) -> QuerySet[Message]:
    """The messages to subjects whom a user sees, and those to the user, as far as they are written as for nobody else.

    A test is written as for somebody: who does not see them does not see what was said of them.
    """
    to_seen = sight.subjects(messages, user)
    if to_seen is messages:
        return messages
    own = Q(to_user=user, subject_id=None) if user.is_active else Q(pk__in=())
    return messages.filter(Q(pk__in=to_seen.order_by().values("pk")) | own)


def letters_seen(letters: QuerySet[Letter], user: Any) -> QuerySet[Letter]:
    """The letters that came of messages which a user sees.

    What one of us is told, perhaps by a secret link, nobody else reads, whatever their role.
    """
    notices = Message.objects.filter(pk=OuterRef("message_id"), purpose=Message.Purpose.NOTICE, subject_id=None)
    letters = letters.exclude(Exists(notices.exclude(to_user=user.pk)))
    whole = Message.objects.all()
    seen = messages_seen(whole, user)
    return letters if seen is whole else letters.filter(message_id__in=seen.values("pk"))
