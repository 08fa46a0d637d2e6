"""A campaign of two mails with a week between them, which runs and which nobody has entered."""

from __future__ import annotations

from datetime import datetime

from audience.models import Topic
from campaigns import plans
from campaigns.models import Campaign, Content, ContentVersion, Sender, Step


def launch(now: datetime) -> Step:
    """Its first step."""
    Topic.objects.get_or_create(slug="news", defaults={"label": "News"})
    Sender.objects.get_or_create(name="Bench", address="bench@example.com", is_default=True)
    content, made = Content.objects.get_or_create(
        slug="hello", defaults={"name": "Hello", "created_at": now, "updated_at": now}
    )
    if made:
        said = {"subject": "Hello", "source": "x", "html": "x", "text": "x"}
        ContentVersion.objects.create(content=content, number=1, created_at=now, **said)
    campaign = plans.create("Bench", kind=Campaign.Kind.NURTURE, by=None, now=now)
    draft = plans.draft_of(campaign, by=None, now=now)
    plans.add_step(draft, "send", content=content)
    plans.add_step(draft, "wait", settings={"days": 7})
    plans.add_step(draft, "send", content=content)
    plans.launch(draft, by=None, now=now)
    return Step.objects.select_related("version__campaign").get(version=draft, position=1)
