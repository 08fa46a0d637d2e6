"""A whole installation of made-up people, for its pages: accounts, what they did, a ledger, scores, a segment, a campaign."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audience import live, segments
from audience.models import Person, Segment
from bench import history, mailing, moves, scores
from kit.models import User
from kit.sql import Sql, sql
from kit.sql import run as execute
from lifecycle.models import Lifecycle
from reporting import filling
from scoring import running

OF_AN_ACCOUNT = 20  # people
USER = "bench@bench.example"


def tell(people: int, activities: int) -> None:
    """Fill the database at hand and print, as JSON, the cookie of somebody signed in and the pages with their queries."""
    call_command("prepare", verbosity=0)
    _fill(people, activities)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser(USER))
    pages = _pages(people)
    told = {name: {"path": path, "queries": _queries(client, path)} for name, path in pages.items()}
    print(json.dumps({"cookie": client.cookies[settings.SESSION_COOKIE_NAME].value, "pages": told}))


def _fill(people: int, activities: int) -> None:
    now = history.fill(people, activities, without=moves.SLUG)
    history.spoil()
    execute(Sql("SET session_replication_role = replica"))
    _accounts(now)
    _enroll(now)
    execute(Sql("SET session_replication_role = DEFAULT"))
    version = scores.publish(now, 3)
    scores.put_in_force(version, now)
    running.full(version.model, at=now + live.INSTANT, now=now)
    segment = Segment.objects.create(
        name="Germans and French", slug="de_fr", created_at=now, updated_at=now,
        condition={"field": "person.country", "op": "in", "value": ["DE", "FR"]},
    )  # fmt: skip
    segments.refresh(segment, at=now + live.INSTANT, now=now)
    filling.fill(moves.fill(now), now=now)
    execute(Sql("TRUNCATE audience_dirty"))
    execute(Sql("VACUUM ANALYZE"))


def _accounts(now: datetime) -> None:
    execute(
        sql(
            """INSERT INTO audience_account (name, domain, country, first_seen_at, created_at, updated_at)
               SELECT 'Account ' || n, 'a' || n || '.example', 'DE', {}, {}, {}
               FROM generate_series(1, (SELECT count(*) / {} FROM audience_person)) n""",
            *[now - timedelta(days=800)] * 3,
            OF_AN_ACCOUNT,
        )
    )
    execute(
        sql(
            """UPDATE audience_person p SET account_id = a.id FROM (
                   SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM audience_account) a
               WHERE a.n = p.id %% (SELECT count(*) FROM audience_account)""",
        )
    )


def _enroll(now: datetime) -> None:
    """Half of all have got the campaign's first mail and wait for the second."""
    first = mailing.launch(now)
    wait = first.next
    assert wait and first.content_version_id
    campaign = first.version.campaign
    earlier = now - timedelta(days=3)
    execute(
        sql(
            """INSERT INTO campaigns_enrollment (campaign_id, version_id, person_id, state, step_id, step_at, wake_at, why,
                                                 reason, entered_at)
               SELECT {}, {}, id, 'active', {}, {}, {}, 'bench', '', {} FROM audience_person WHERE id %% 2 = 0""",
            campaign.pk, first.version_id, wait.pk, earlier, now + timedelta(days=4), earlier,
        )
    )  # fmt: skip
    execute(
        sql(
            """INSERT INTO campaigns_steprun (enrollment_id, step_id, at, outcome, next_id)
               SELECT id, {}, entered_at, 'queued', {} FROM campaigns_enrollment WHERE version_id = {}""",
            first.pk,
            wait.pk,
            first.version_id,
        )
    )
    execute(
        sql(
            """INSERT INTO campaigns_message (id, purpose, campaign_id, enrollment_id, step_id, topic_id, sender_id,
                                              content_version_id, person_id, state, policy, due_at, created_at, sent_at)
               SELECT gen_random_uuid(), 'campaign', {}, id, {}, {}, {}, {}, person_id, 'sent', 'at_most_once', entered_at,
                      entered_at, entered_at FROM campaigns_enrollment WHERE version_id = {}""",
            campaign.pk, first.pk, campaign.topic_id, campaign.sender_id, first.content_version_id, first.version_id,
        )
    )  # fmt: skip


def _pages(people: int) -> dict[str, str]:
    """The ten pages that are used most, by name."""
    person = Person.objects.order_by("pk")[people // 2]
    board = Lifecycle.objects.get(slug=moves.SLUG)
    return {
        "home": reverse("home"),
        "people": reverse("people"),
        "people, searched": f"{reverse('people')}?q=first42+last{people % 991}",
        "people, sorted by name": f"{reverse('people')}?sort=by_name",
        "a person": reverse("person", args=[person.pk]),
        "an account": reverse("account", args=[person.account_id]),
        "a segment": reverse("segment", args=["de_fr"]),
        "the board": reverse("lifecycle_board", args=[board.slug]),
        "the funnel": f"{reverse('report_funnel')}?lifecycle={board.slug}&window=last_365_days",
        "a campaign's results": reverse("campaign_results", args=["bench"]),
    }


def _queries(client: Client, path: str) -> int:
    """How many statements a page takes when what is remembered for a while is remembered."""
    client.get(path, secure=True)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path, secure=True)
    assert answer.status_code == 200, (path, answer.status_code)
    return len(captured)
