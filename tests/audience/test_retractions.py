"""Activities that were a scanner's are taken back by the thousand, honoured by every reader, and restored."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse

from audience import importing, live, segments
from audience.activity import activities, retractions, timeline
from audience.conditions import compile, tree
from audience.models import Activity, Retraction, SegmentMember
from audience.subjects import querysets
from campaigns import counts, plans, responses
from campaigns.models import Enrollment
from kit import jobs
from kit.models import AuditEntry, Job, User
from kit.sql import rows, sql
from scoring import explaining
from scoring.models import ScoreChange, ScoringModel
from scoring.rules import Plans
from tests import factories
from tests.asking import Api
from tests.audience.importing.bringing import bring
from tests.campaigns import making
from tests.factories import NOW, days_ago
from tests.scoring import making as scoring

pytestmark = pytest.mark.django_db
SOON, LATER = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
VISITS = {"field": "activity.count", "where": {"kind": "page_visited"}, "op": "at_least", "value": 1}
MODEL = """
model: visits
name: Visits
limit: 60
rules:
  - {name: Visited, points: 10, did: {kind: page_visited}}
"""


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def those(condition, at=LATER, known=None):
    asked = compile.members(tree.parse(condition), of="person", at=at, known=known)
    return {pk for pk, *_more in rows(asked)}


def take(*found, now=SOON, reason="scanner"):
    return retractions.begin({"ids": [each.pk for each in found]}, reason=reason, by=None, now=now)


# ---- every reader ----


def a_condition(someone, clicked):
    return len(those(VISITS))


def a_figure_of_activities(someone, clicked):
    return len(those({"field": "activity.intent", "op": "at_least", "value": 5}))


def a_condition_of_messages(someone, clicked):
    return len(those({"field": "message.clicked", "op": "at_least", "value": 1}))


def a_score(someone, clicked):
    plan = Plans(ScoringModel.objects.get(slug="visits")).at(LATER)
    return explaining.explain(plan, someone.pk, at=LATER).shown


def a_segment(someone, clicked):
    return SegmentMember.objects.filter(segment__slug="visitors", left_at=None).count()


def a_timeline(someone, clicked):
    return sum(not item.is_reversed for item in timeline.page(someone, timeline.Wanted()).items)


def a_list_of_activities(someone, clicked):
    return querysets.standing(Activity.objects.filter(kind__slug__in=["page_visited", "email_clicked"])).count()


def steps_of_a_campaign(someone, clicked):
    return counts.of_steps([clicked.step_id])[clicked.step_id]["clicked"]


def a_campaign_as_a_whole(someone, clicked):
    return counts.of_campaigns([clicked.campaign_id])[clicked.campaign_id].clicked


def people_behind_a_count(someone, clicked):
    return counts.those(Enrollment.objects.all(), "clicked", [clicked.step_id]).count()


READERS = (
    a_condition, a_figure_of_activities, a_condition_of_messages, a_score, a_segment, a_timeline, a_list_of_activities,
    steps_of_a_campaign, a_campaign_as_a_whole, people_behind_a_count,
)  # fmt: skip


def a_scanner_was_here():
    """Somebody with a visit and a click, a model and a segment that count the visit, and a campaign the click."""
    someone = factories.person(email="ann@example.com", first_seen_at=days_ago(30))
    draft = making.campaign("Spring")
    plans.add_step(draft, "send", content=making.content("Guide", links=["https://marlowcreek.example/"]))
    clicked = making.sent(someone, making.steps(making.launched(draft))[0])
    responses.ensure_defaults(NOW)
    factories.activity(someone, days_ago(3))
    responses.record(clicked, "clicked", link=0, at=NOW, now=NOW)
    scoring.published(MODEL)
    segments.create("Visitors", of="person", condition=VISITS, by=None, now=NOW)
    live.run_all(NOW)
    return someone, clicked


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_no_reader_counts_what_was_taken_back_and_each_counts_what_was_restored(reader):
    someone, clicked = a_scanner_was_here()
    before = reader(someone, clicked)
    assert before > 0
    made = take(*Activity.objects.all())
    assert (made.activities, made.subjects) == (2, 1)
    assert reader(someone, clicked) == 0
    assert retractions.undo(made, by=None, now=LATER)
    assert reader(someone, clicked) == before


def test_both_clocks_tell_it_as_it_was_known():
    someone = factories.person(first_seen_at=days_ago(30))
    visit = factories.activity(someone, days_ago(10))
    made = take(visit, now=NOW)
    assert those(VISITS, days_ago(5)) == set(), "as known now it never counted, on no past day"
    assert those(VISITS, days_ago(5), known=days_ago(1)) == {someone.pk}, "as known then it did"
    retractions.undo(made, by=None, now=SOON)
    assert those(VISITS, days_ago(5)) == {someone.pk}
    assert those(VISITS, days_ago(5), known=NOW + timedelta(minutes=1)) == set()


def test_it_is_taken_back_restored_and_taken_back_again():
    visit = factories.activity(factories.person(), days_ago(3))
    for turn in range(3):
        at = NOW + timedelta(hours=turn)
        made = take(visit, now=at)
        assert made.activities == 1 and not querysets.standing(Activity.objects.all()).exists()
        assert retractions.undo(made, by=None, now=at + timedelta(minutes=1))
        assert not retractions.undo(made, by=None, now=at + timedelta(minutes=2)), "once"
        assert querysets.standing(Activity.objects.all()).get() == visit
    assert activities.take_back(visit, by=None, now=LATER) and not activities.take_back(visit, by=None, now=LATER)


def test_what_changed_is_listed_on_its_page(client, ada):
    someone, _clicked = a_scanner_was_here()
    page = client.get(reverse("activities_take_back") + "?kind=page_visited").content.decode()
    assert "Take 1 activity back?" in page
    answer = client.post(
        reverse("activities_take_back") + "?kind=page_visited", {"reason": "scanner", "sure": 1}, follow=True
    )
    told = answer.content.decode()
    assert "1 activity was taken back." in told and "Visits: 10 → 0" in told and "left “Visitors”" in told
    assert ScoreChange.objects.latest("pk").shown == 0
    assert "taken back: They were a scanner" in client.get(someone.get_absolute_url()).content.decode()
    made = Retraction.objects.get()
    told = client.post(reverse("retraction_undo", args=[made.pk]), follow=True).content.decode()
    assert "Visits: 0 → 10" in told and "They count again" in told
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))[-2:] == [
        "activities.take_back", "activities.restore",
    ]  # fmt: skip


def test_what_is_meant_is_chosen_by_user_agent_address_time_segment_and_person(client, ada):
    ann, bob = factories.person(email="ann@example.com"), factories.person(email="bob@example.com")
    making.segment(bob)
    told = {"user_agent": "Mozilla/5.0 Scanner9", "ip": "10.9.8.7"}
    scanned = factories.activity(ann, days_ago(2), properties=told)
    seen = factories.activity(bob, days_ago(9), properties={"user_agent": "Mozilla/5.0 Firefox", "ip": "10.1.1.1"})
    for asked, found in (
        ({"user_agent": "scanner9"}, scanned), ({"ip": "10.9."}, scanned), ({"person": ann.pk}, scanned),
        ({"since": days_ago(5).isoformat()}, scanned), ({"until": days_ago(5)}, seen), ({"segment": "chosen"}, seen),
    ):  # fmt: skip
        assert retractions.preview(asked).sample == [found], asked
    page = client.get(reverse("activities") + "?user_agent=scanner9").content.decode()
    assert "ann@example.com" in page and "bob@example.com" not in page and "Take these back" in page
    with pytest.raises(retractions.Refused):
        retractions.preview({})


@pytest.mark.parametrize("asked", ["", "?nothing=1", "?since=yesterday&kind=x", "?person=9e99", "?id=x", "?kind=nope"])
def test_what_is_not_understood_takes_nothing_back(client, ada, asked):
    factories.activity(factories.person(), days_ago(3))
    answer = client.post(reverse("activities_take_back") + asked, {"reason": "scanner", "sure": 1}, follow=True)
    assert answer.status_code == 200 and not Retraction.objects.exists()
    assert Activity.objects.count() == 1


def test_others_than_were_looked_at_are_not_taken_back(client, ada):
    someone = factories.person()
    factories.activity(someone, days_ago(3))
    factories.activity(someone, days_ago(2))
    answer = client.post(reverse("activities_take_back") + "?kind=page_visited", {"reason": "test", "sure": 1})
    assert "Meanwhile it is 2, not 1." in answer.content.decode() and not Retraction.objects.exists()


def test_many_are_long_work_in_chunks_and_so_is_undoing(monkeypatch):
    monkeypatch.setattr(retractions, "AT_ONCE", 2)
    monkeypatch.setattr(retractions, "CHUNK", 2)
    someone = factories.person(first_seen_at=days_ago(30))
    for day in range(5):
        factories.activity(someone, days_ago(day + 1))
    made = retractions.begin({"kind": "page_visited"}, reason="twice", by=None, now=NOW)
    late = factories.activity(someone, NOW, recorded_at=SOON)
    assert retractions.is_under_way(made) and not retractions.undo(made, by=None, now=NOW)
    jobs.run(made.job_id, SOON)
    made.refresh_from_db()
    assert made.activities == 5 and made.finished_at and made.instants == [SOON]
    assert querysets.standing(Activity.objects.all()).get() == late, "what came later was not meant"
    assert retractions.undo(made, by=None, now=LATER)
    jobs.run(made.job_id, LATER)
    made.refresh_from_db()
    assert Job.objects.get(pk=made.job_id).state == "done" and made.undone_at == LATER
    assert querysets.standing(Activity.objects.all()).count() == 6


def test_what_an_import_brought_that_was_rolled_back_is_not_restored():
    imported = bring("id,email,kind,when\n1,ann@example.com,page_visited,2025-01-01\n", "activities")
    visit = Activity.objects.get()
    made = take(visit, now=NOW + timedelta(days=400))
    at = NOW + timedelta(days=401)
    job = importing.rollback.begin(imported, by=None, now=at)
    jobs.run(job.pk, at)
    retractions.undo(made, by=None, now=NOW + timedelta(days=402))
    assert not querysets.standing(Activity.objects.all()).exists()


def test_over_the_api(ada):
    someone = factories.person(email="ann@example.com")
    visit = factories.activity(someone, days_ago(3), properties={"user_agent": "HeadlessChrome/9"})
    api = Api(ada, "activities:read", "activities:write")
    asked = {"user_agent": "headless", "since": days_ago(9).isoformat()}
    told = api.post("/retractions/preview/", {"asked": asked})
    assert (told["activities"], told["people"]) == (1, 1)
    api.refused("post", "/retractions/preview/", {"asked": {}}, 400, "retraction_refused")
    api.refused("post", "/retractions/", {"asked": asked, "reason": "scanner", "sure": 9}, 409, "changed_meanwhile")
    made = api.post("/retractions/", {"asked": asked, "reason": "scanner", "sure": 1}, status=201)
    assert made["activities"] == 1 and made["finished_at"]
    api.refused("post", "/retractions/", {"asked": asked, "reason": "scanner"}, 409, "nothing_to_take_back")
    assert api.get("/activities/?stands=true")["results"] == []
    assert len(api.get("/activities/?stands=false")["results"]) == 2
    assert api.post(f"/retractions/{made['id']}/undo/")["undone_at"]
    api.refused("post", f"/retractions/{made['id']}/undo/", {}, 409, "undone")
    assert [each["id"] for each in api.get("/activities/?stands=true")["results"]] == [visit.pk]


def test_two_at_once_take_it_back_once():
    visit = factories.activity(factories.person(), days_ago(3))
    both = sql("SELECT unnest({}::bigint[]) AS id", [visit.pk, visit.pk])
    assert activities.reverse(both, now=NOW) == 1
    assert activities.reverse(both, now=SOON) == 0


# Every module that reads activities, or answers to mails, and why a reversed one does no harm there.
KNOWN = {
    "audience/activity/activities.py": "writes them",
    "demo/tidying.py": "somebody who has left letters, whom it erases",
    "audience/api/activities.py": "gives the ledger; `stands` those that count",
    "audience/activity/channels.py": "spellings, of reversed ones too",
    "audience/conditions/scan.py": "a reader",
    "audience/subjects/holders.py": "all of somebody's rows, whatever they say",
    "audience/importing/kinds/activities.py": "writes them",
    "audience/importing/rollback.py": "reverses them",
    "audience/activity/parties.py": "writes them",
    "audience/activity/visitors.py": "writes them, of strangers who have become known",
    "audience/importing/kinds/parties.py": "whether a source told it with whose it is, reversed or not",
    "audience/merging/rows.py": "rows that follow whom they name, reversed ones too",
    "audience/views/mix.py": "a reader",
    "audience/activity/kinds.py": "whether any there is, reversed ones too: they stay in the ledger",
    "audience/likeness/traits.py": "a reader",
    "audience/asked/offers.py": "values on offer",
    "audience/subjects/querysets.py": "a reader",
    "audience/activity/retractions.py": "reverses them",
    "audience/activity/timeline.py": "a reader",
    "audience/views/recording.py": "takes one back",
    "audience/views/retractions.py": "a reader",
    "campaigns/counts.py": "a reader",
    "campaigns/fields.py": "a reader",
    "campaigns/holders.py": "all of somebody's rows",
    "campaigns/operations.py": "bounces, which mail servers tell",
    "campaigns/responses.py": "writes them",
    "campaigns/sending/claiming.py": "bounces, which mail servers tell",
    "campaigns/sending/sweeping.py": "that a message came at all, which a scanner shows as well",
    "campaigns/tracing.py": "what came back, as it came",
    "lifecycle/backtests/spending.py": "a reader",
    "lifecycle/engine/needs.py": "which kinds there are, reversed ones too",
    "lifecycle/partners/applications.py": "writes them",
    "lifecycle/partners/checklist.py": "a reader",
    "lifecycle/partners/kinds.py": "a reader",
    "lifecycle/partners/standing.py": "a reader",
    "lifecycle/engine/stalled.py": "a reader",
    "reporting/metrics/first_touch.py": "a reader",
    "lifecycle/supporting.py": "whether any there is, reversed ones too",
    "reporting/metrics/cost_per_stage.py": "a reader",
    "reporting/supporting.py": "whether channels are known, of reversed ones too",
    "scoring/supporting.py": "whether any there is lately, reversed ones too",
    "lifecycle/editions/cases.py": "a document's test cases, which are rolled back",
    "scoring/compiling.py": "a reader",
    "scoring/forms.py": "values on offer",
}


def test_every_module_that_reads_activities_is_known():
    reads = re.compile(r"audience_activity\b|\bActivity\.objects|campaigns_response\b|\bResponse\.objects")
    apps = ("kit", "audience", "scoring", "lifecycle", "campaigns", "reporting", "integrations", "demo")
    found = {
        str(path.relative_to(settings.BASE_DIR))
        for app in apps
        for path in (settings.BASE_DIR / app).rglob("*.py")
        if "migrations" not in path.parts and reads.search(path.read_text())
    }
    assert found == set(KNOWN)
