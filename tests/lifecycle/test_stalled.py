"""Who is stuck: longer there than nine of ten who left, or past the stage's limit, and with no sign of life."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audience import segments
from audience.activity import channels
from audience.conditions import compile, describe, tree
from audience.models import Activity, Segment
from campaigns.models import Campaign
from kit import installation
from kit.models import User
from kit.sql import rows
from lifecycle.engine import stalled
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Membership, Stage, UsualStay, Version
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    installation.put("zone", "UTC")
    channels.ensure_defaults(NOW)
    return factories.published()


def placed(version: Version, since: int, slug: str = "known", until: int | None = None, **values: Any) -> Membership:
    """Somebody who came into a stage so many days ago, and was moved on if `until` says when."""
    person = factories.person(first_seen_at=days_ago(400), **values)
    to = version.stages.get(slug=slug)
    assert stages.place(person.pk, version, to=to, reason="", by=None, at=days_ago(since), now=days_ago(since))
    membership = Membership.objects.get(person=person)
    if until is not None:
        on = version.stages.exclude(slug=slug).exclude(kind="gate").order_by("order").first()
        assert stages.move(membership, to=on, reason="", by=None, at=days_ago(until), now=days_ago(until))
    return membership


def ten_left_after(version: Version, *lengths: int) -> None:
    for length in lengths:
        placed(version, 300, until=300 - length, is_excluded=False)


def did(
    membership: Membership, ago: int, channel: str = "website", direction: str = "inbound", **more: Any
) -> Activity:
    return factories.activity(membership.person, days_ago(ago), channel=channel, direction=direction, **more)


def stuck(days: int | None = None, at: Any = NOW, **more: Any) -> set[int]:
    asked: dict[str, Any] = {"field": "stage.small.stalled", "op": "is", "value": True}
    node = tree.parse(asked | ({"days": days} if days else {}))
    return {row[0] for row in rows(compile.members(node, of="person", at=at, **more))}


def test_nine_of_ten_is_measured_over_finished_stays_and_written_when_it_changes(version: Version) -> None:
    ten_left_after(version, 1, 2, 3, 4, 5, 6, 7, 8, 30, 90)
    stalled.measure(NOW)
    told = UsualStay.objects.get(stage="known")
    assert (told.days, told.stays, told.day) == (30, 10, NOW.date() + timedelta(days=1))
    assert stalled.measure(NOW + timedelta(days=1)) == 0
    placed(version, 300, until=205)
    assert stalled.measure(NOW + timedelta(days=2)) == 1
    assert UsualStay.objects.filter(stage="known").count() == 2


def test_below_ten_finished_stays_nothing_is_usual(version: Version) -> None:
    ten_left_after(version, *range(1, 10))
    stalled.measure(NOW)
    assert not UsualStay.objects.exists() and stuck() == set()


def test_stuck_is_who_is_there_longer_and_has_not_stirred(version: Version) -> None:
    ten_left_after(version, *[10] * 10)
    stalled.measure(NOW)
    long, fresh, awake = placed(version, 11), placed(version, 10), placed(version, 50)
    mailed, called, robot, back = (placed(version, 50) for _ in range(4))
    did(awake, 13)
    did(mailed, 2, "email", "outbound")  # mail of ours is no sign of life
    did(called, 2, "phone", "outbound")  # a call is
    did(robot, 2, actor="bot")
    gone = did(back, 2)
    factories.activity(back.person, days_ago(1), reversal_of=gone)
    quiet = {long.subject_id, mailed.subject_id, robot.subject_id, back.subject_id}
    assert stuck() & {each.subject_id for each in (long, fresh, awake, mailed, called, robot, back)} == quiet
    assert awake.subject_id in stuck(days=12) and awake.subject_id not in stuck(days=13)
    assert long.subject_id not in stuck(at=NOW - timedelta(days=1))


def test_the_sentence_says_it(version: Version) -> None:
    node = tree.parse({"field": "stage.small.stalled", "op": "is", "value": True, "days": 30})
    assert "stalled in Small, with no sign of life in the last 30 days" in describe.sentence(node)


def test_past_its_own_limit_somebody_is_stuck_though_nothing_is_usual(version: Version) -> None:
    sla = Lifecycle.objects.create(slug="sla", name="Sla", species="net_new", of="person", created_at=NOW)
    made = Version.objects.create(lifecycle=sla, number=1, created_at=NOW)
    for order, (slug, kind, limit) in enumerate((("mql", "sla", 16), ("won", "terminal", None)), 1):
        Stage.objects.create(version=made, slug=slug, name=slug, order=order, kind=kind, limit_hours=limit)
    Version.objects.filter(pk=made.pk).update(state=Version.State.PUBLISHED)
    made.refresh_from_db()
    late = placed(made, 7, "mql")
    placed(made, 0, "mql")
    assert set(stalled.counts(sla, at=NOW)) == {"mql"} and stalled.counts(sla, at=NOW)["mql"] == 1
    found = {row[0] for row in rows(stalled.of(sla, at=NOW))}
    assert found == {late.subject_id}


def test_whoever_turns_is_among_those_whom_time_touches(version: Version) -> None:
    """Everybody whose answer differs between two instants is looked at again: by age, by quiet, by a new usual stay."""
    ten_left_after(version, *[10] * 10)
    stalled.measure(NOW)
    people = [placed(version, since) for since in (9, 10, 11, 40)]
    did(people[3], 13)
    node = tree.parse({"field": "stage.small.stalled", "op": "is", "value": True})
    for begin in range(-3, 4):
        since, until = NOW + timedelta(days=begin), NOW + timedelta(days=begin + 1)
        turned = stuck(at=since) ^ stuck(at=until)
        touched = {row[0] for row in rows(compile.touched([node], of="person", since=since, until=until))}
        assert turned <= touched, (begin, turned - touched)
    assert stuck(at=NOW) != stuck(at=NOW + timedelta(days=2))


# ---- the pages ----


@pytest.fixture
def ada(client: Client) -> User:
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def test_the_list_the_counts_the_segment_and_the_campaign_are_one_click_apart(
    client: Client, ada: User, version: Version, monkeypatch: Any
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    ten_left_after(version, *[10] * 10)
    stalled.measure(NOW)
    for number in range(3):
        placed(version, 40 + number, first_name=f"Stuck{number}")
    placed(version, 50, first_name="Test", is_excluded=True)
    page = client.get("/lifecycles/small/stalled/")
    assert page.context["total"].count == 3 and "Stuck0" in page.content.decode()
    for filters in ("?stage=known&days=30", "?why=long", "?owner=%28empty%29"):
        assert client.get(f"/lifecycles/small/stalled/{filters}").context["total"].count == 3, filters
    assert client.get("/lifecycles/small/stalled/?why=limit").context["total"].count == 0
    told = client.get("/lifecycles/small/stalled/counts/").content.decode()
    assert re.findall(r'data-count="(\d+)"', told) == ["3", "3"]
    assert "stalled/counts/" in client.get("/lifecycles/small/board/").content.decode()
    answer = client.post("/lifecycles/small/stalled/segment/?stage=known&days=30", follow=True)
    made = Segment.objects.get()
    assert "keeps itself" in answer.content.decode() and "Start a campaign" in answer.content.decode()
    assert len(rows(segments.members(made))) == 3 and made.condition["all"][1]["days"] == 30, "who counts, as listed"
    form = client.get(f"/campaigns/new/?segment={made.slug}&name=Wake")
    assert "Whoever is in" in form.content.decode()
    client.post("/campaigns/new/", {"name": "Wake", "kind": "nurture", "stage": "", "segment": made.slug})
    drafted = Campaign.objects.get(name="Wake").versions.get()
    assert (drafted.entry, drafted.segment, drafted.present) == ("segment", made, True)


def test_odd_addresses_of_the_list_are_answered_in_words(client: Client, ada: User, version: Version) -> None:
    for query in ("days=-1", "days=999999999999", "days=%00", "stage=nope", "why=because", "owner=x"):
        assert client.get(f"/lifecycles/small/stalled/?{query}").status_code == 200, query
    assert client.post("/lifecycles/small/stalled/segment/?stage=nope").status_code == 302
    assert not Segment.objects.exists()
    assert client.get("/lifecycles/nothing/stalled/").status_code == 404
    assert client.post("/campaigns/new/", {"name": "x", "kind": "nurture", "segment": "\x00nope"}).status_code == 400
