"""People who agreed, two things to say, and campaigns that say them: what there is to send while everything breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from audience import consent
from audience.models import Segment, SegmentMember, Topic
from campaigns import channels, plans, rendering
from campaigns.models import Campaign, CampaignVersion, ChannelSetting, Content, ContentVersion, Sender
from faults import checker
from kit import installation
from kit.sql import Sql, run, sql, value

Answer = TypeVar("Answer")
GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
WAITING = Sql(
    "SELECT (SELECT count(*) FROM campaigns_message WHERE state IN ('queued', 'claimed', 'sending')) "
    "+ (SELECT count(*) FROM campaigns_enrollment WHERE state = 'active')"
)
UNJUDGED = Sql("SELECT count(*) FROM audience_dirty")
UNDONE = Sql("SELECT count(*) FROM kit_job WHERE state IN ('queued', 'running')")  # nobody has entered yet
WORDS = """<h1>Hello {{{{ person.first_name | default: "there" }}}}</h1><p>{}</p>
<p><a href="https://example.com/read?who={{{{ person.id }}}}">Read on</a></p>"""


@dataclass
class World:
    """What there is to send, and how much of it is kept waiting."""

    people: int
    smtp_port: int
    segment: Segment
    topic: Topic
    sender: Sender
    contents: list[Content]
    launched: int = 0

    @classmethod
    def make(cls, *, people: int, smtp_port: int) -> World:
        """In a new database that is migrated."""
        now = timezone.now()
        _people(people, now)
        topic = Topic.objects.create(slug="faults", label="What breaks")
        acts = sql(
            "SELECT id AS person_id, {}::bigint AS topic_id, true AS given, 'consent' AS basis, '' AS wording, "
            "'faults' AS source, {}::timestamptz AS occurred_at FROM audience_person",
            topic.pk,
            now,
        )
        consent.record_many(acts, now=now)
        segment = Segment.objects.create(
            name="Everybody", slug="everybody", kind=Segment.Kind.STATIC, created_at=now, updated_at=now
        )
        SegmentMember.objects.bulk_create(
            SegmentMember(segment=segment, person_id=pk, entered_at=now) for pk in _ids("audience_person")
        )
        sender = Sender.objects.create(name="Faults", address="faults@sender.example", is_default=True)
        installation.put("postal_address", "Faults, 1 Broken Road")
        with connection.cursor() as cursor:
            checker.watch_mailbox(cursor)
        made = cls(people, smtp_port, segment, topic, sender, [_content(name, now) for name in ("First", "Second")])
        made.through("smtp", host="127.0.0.1", port=smtp_port, security="none", connections=2)
        return made

    def through(self, provider: str, **settings: object) -> None:
        """Send by this provider from now on."""
        setting = channels.setting_of("email")
        ChannelSetting.objects.filter(pk=setting.pk).update(provider=provider, settings=settings)

    def into_the_mailbox(self) -> None:
        _persistently(lambda: self.through("mailbox"))

    def feed(self) -> bool:
        """Launch one more campaign when little is waiting; whether it did."""
        return _persistently(lambda: value(WAITING) < self.people / 2 and self._launch())

    def open(self) -> bool:
        """Whether anything is still on its way."""
        return _persistently(lambda: bool(value(WAITING) + value(UNJUDGED) + value(UNDONE)))

    def _launch(self) -> bool:
        """By turns a broadcast of one mail, and a flow of two that parts and waits."""
        now = timezone.now()
        campaign = plans.create(f"Campaign {self.launched + 1}", kind=Campaign.Kind.NEWSLETTER, by=None, now=now)
        plans.change_campaign(campaign, topic=self.topic, sender=self.sender)
        draft = plans.draft_of(campaign, by=None, now=now)
        plans.change(draft, entry=CampaignVersion.Entry.BROADCAST, segment=self.segment)
        plans.add_step(draft, "send", content=self.contents[0])
        if self.launched % 2:
            branch = plans.add_step(draft, "branch", condition=GERMAN)
            plans.add_step(draft, "send", parent=branch, arm="yes", content=self.contents[1])
            soon = timezone.localtime(now + timedelta(minutes=1), installation.zone())
            plans.add_step(draft, "wait", settings={"date": f"{soon:%Y-%m-%d}", "time": f"{soon:%H:%M}"})
            plans.add_step(draft, "send", content=self.contents[0])
        plans.launch(draft, confirmed=self.people, by=None, now=now)
        self.launched += 1
        return True


def _people(number: int, now: datetime) -> None:
    run(
        sql(
            """INSERT INTO audience_person (email, first_name, country, source, first_seen_at, created_at)
               SELECT 'p' || n || '@domain' || n %% 20 || '.example', 'P' || n, (ARRAY['DE', 'FR'])[1 + n %% 2], '', {}, {}
               FROM generate_series(1, {}) n""",
            now,
            now,
            number,
        )
    )


def _ids(table: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table}")
        return [row[0] for row in cursor.fetchall()]


def _content(name: str, now: datetime) -> Content:
    made = Content.objects.create(slug=name.lower(), name=name, created_at=now, updated_at=now)
    source, subject = WORDS.format(name), name + " for {{ person.first_name }}"
    compiled = rendering.compile(source, "html", subject=subject)
    ContentVersion.objects.create(
        content=made, number=1, subject=subject, source=source, html=compiled.html, text=compiled.text,
        links=compiled.links, created_at=now,
    )  # fmt: skip
    return made


def _persistently(ask: Callable[[], Answer], seconds: float = 60.0) -> Answer:
    """Once the database answers; it may just have been killed."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.close_if_unusable_or_obsolete()
            return ask()
        except DatabaseError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
