"""What the demo company says: one campaign runs for those who came lately, one is ready; asked twice it is there once."""

from __future__ import annotations

import pytest

from audience.models import Topic
from campaigns import journeys, live, plans, sending
from campaigns.models import Campaign, Content, Enrollment, Letter, Sender
from demo import campaigns, consents
from kit import jobs
from kit.models import Job
from lifecycle.ledger import stages
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db


def test_a_series_runs_for_those_who_came_lately_and_a_welcome_waits() -> None:
    version = factories.published(factories.SMALL.replace("lifecycle: small", "lifecycle: net_new"))
    for days in (2, 10, 40):
        person = factories.person(email=f"p{days}@x.example")
        engaged = version.stages.get(slug="engaged")
        stages.place(person.pk, version, to=engaged, reason="", by=None, at=days_ago(days), now=days_ago(days))
    consents.record(NOW)
    for _ in range(2):
        campaigns.begin(by=None, now=NOW)
    assert Campaign.objects.count() == 2 and Sender.objects.get().is_default
    series, welcome = (Campaign.objects.get(name=name) for name in ("Explore series", "Welcome: Known"))
    assert (series.state, series.stage, series.holdout) == ("running", "engaged", 10)
    assert series.topic == welcome.topic == Topic.objects.get(slug="news")
    live.begin(NOW)
    jobs.run(Job.objects.get(kind=live.JOB).pk, NOW)
    assert set(Enrollment.objects.values_list("person__email", flat=True)) == {"p2@x.example", "p10@x.example"}
    journeys.run_all(NOW)
    sending.run_all(NOW)
    active = Enrollment.objects.exclude(state="holdout").values_list("person__email", flat=True)
    assert set(Letter.objects.values_list("recipient", flat=True)) == set(active)
    draft = welcome.versions.get()
    assert welcome.state == "draft"
    assert not [each for each in plans.checklist(draft, now=NOW) if each.level == "stop"]
    assert set(Content.objects.values_list("style", flat=True)) == {"education", "engagement"}
