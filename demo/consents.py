"""What the company's people agreed to: most who came by themselves said yes to news, on the form by which they came.

Nobody on the bought list was ever asked. Service messages about the own sensors go to everybody who has not objected.
Who said what depends on the address alone, so that every loading gives the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from audience import consent, live, topics
from audience.models import Topic
from kit.sql import Sql, sql

NEWS, FAIRS, SERVICE = "news", "fairs", "service"
TOPICS = (
    (NEWS, "News and guides", "What is new, and how others measure water. About twice a month.", "consent"),
    (FAIRS, "Fairs and webinars", "Invitations to where you can meet us.", "consent"),
    (SERVICE, "About your sensors", "Calibration dates, firmware and safety.", "interest"),
)
WORDING = "Yes, send me emails about this. I can leave at any time."
AGREED = {NEWS: 90, FAIRS: 60}  # of a hundred who were asked
LEFT = 3  # of a hundred, after LEFT_AFTER
LEFT_AFTER = timedelta(days=120)
NEVER_ASKED = "Bought list"


def record(now: datetime) -> int:
    """Make the topics and write the acts that are not written yet; how many are new."""
    with transaction.atomic(), live.without_marks():  # nobody is judged by it
        made = {slug: _topic(slug, label, description, basis, now) for slug, label, description, basis in TOPICS}
        given = sum(consent.record_many(_given(made[slug], share), now=now) for slug, share in AGREED.items())
        return given + consent.record_many(_withdrawn(made[NEWS], now), now=now)


def _topic(slug: str, label: str, description: str, basis: str, now: datetime) -> Topic:
    found = Topic.objects.filter(slug=slug).first()
    told = {"label": label, "description": description, "basis": basis}
    if found is None:
        found = topics.create(slug, description="", basis=basis, is_default=False, by=None, now=now)
    topics.change(found, **told, is_default=found.is_default or slug == NEWS, by=None, now=now)
    return found


def _asked(draw: str) -> Sql:
    """Those who were asked, each with a number below a hundred that the address and `draw` make."""
    return sql(
        """SELECT p.id, p.first_seen_at, p.source,
                  ('x' || substr(md5({} || p.email), 1, 7))::bit(28)::int %% 100 AS drawn
           FROM audience_person p
           WHERE p.email <> '' AND p.erased_at IS NULL AND NOT p.is_excluded AND p.source <> {}""",
        draw,
        NEVER_ASKED,
    )


def _given(topic: Topic, share: int) -> Sql:
    return sql(
        """SELECT a.id AS person_id, {}::bigint AS topic_id, true AS given, 'consent' AS basis, {}::text AS wording,
                  left('form (' || coalesce(nullif(a.source, ''), 'website') || ')', 100) AS source,
                  a.first_seen_at AS occurred_at
           FROM ({}) a WHERE a.drawn < {}""",
        topic.pk, WORDING, _asked(topic.slug), share,
    )  # fmt: skip


def _withdrawn(topic: Topic, now: datetime) -> Sql:
    return sql(
        """SELECT a.id AS person_id, {}::bigint AS topic_id, false AS given, 'objection' AS basis,
                  'Unsubscribe' AS wording, 'link in an email' AS source, a.first_seen_at + {}::interval AS occurred_at
           FROM ({}) a WHERE a.drawn < {} AND a.first_seen_at + {}::interval < {}""",
        topic.pk, LEFT_AFTER, _asked(topic.slug), LEFT, LEFT_AFTER, now,
    )  # fmt: skip
