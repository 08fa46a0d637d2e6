"""The pages of scoring: figures that open what they say, a draft edited to the end, refusals in words."""

import re

import pytest

from audience import live
from kit import jobs
from kit.models import Job, User
from scoring.models import Crossing, Rule, Score, ScoringModel, ScoringVersion
from tests.factories import NOW, activity, days_ago, person
from tests.scoring.making import LEAD, draft, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    return client


def text_of(answer):
    assert answer.status_code in (200, 400), answer.status_code
    return answer.content.decode()


def figure(page, metric):
    found = re.search(rf'data-metric="{metric}"[^>]*>([^<]*)', page)
    return found and found[1]


def work():
    for pk in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
        jobs.run(pk, NOW)
        job = Job.objects.get(pk=pk)
        assert job.state == "done", job.error


def test_the_model_shows_who_reached_the_limit_and_each_figure_opens_its_list(admin):
    hot, warm = person(title="Director", country="DE", last_name="Hot"), person(title="Director", last_name="Warm")
    activity(hot, days_ago(5), "demo_requested")
    person(last_name="Cold")
    published()
    page = text_of(admin.get("/scoring/lead/"))
    assert (figure(page, "reached"), figure(page, "with_points"), figure(page, "scored")) == ("1", "2", "3")
    opened = text_of(admin.get("/scoring/lead/scores/?least=60"))
    assert "Hot" in opened and "Warm" not in opened
    for link in re.findall(r'href="(/scoring/lead/scores/\?least=[^"]*)" data-metric="score:[^"]*">(\d+)', page):
        listed = text_of(admin.get(link[0].replace("&amp;", "&")))
        assert listed.count('class="table__main"') == int(link[1])
    assert str(warm) in page and "Lead score v1" in page


def test_the_matrix_counts_everybody_once_and_opens(admin):
    hot = person(title="Director", country="DE", last_name="Hot")
    activity(hot, days_ago(0.1), "demo_requested")
    person(country="DE", last_name="Mild")
    person(last_name="Cold")
    published()
    page = text_of(admin.get("/scoring/lead/matrix/"))
    assert (figure(page, "A1"), figure(page, "C4"), figure(page, "D4")) == ("1", "1", "1")
    assert "Hot" in text_of(admin.get("/scoring/lead/scores/?grade=A&level=1"))
    listed = text_of(admin.get("/scoring/lead/scores/?grade=C&level=4"))
    assert "Mild" in listed and "Cold" not in listed


def test_a_model_is_made_ruled_previewed_and_published(admin):
    someone = person(title="Director", country="DE")
    activity(someone, days_ago(1), "demo_requested", channel="web")
    made = admin.post("/scoring/new/", {"name": "Hot leads", "of": "person", "species": "", "goal": ""})
    assert made.url == "/scoring/hot_leads/v1/"
    here = made.url
    rule = {"name": "Demo", "points": "40", "kind": "demo_requested", "channel": "web", "half_life": "30", "cap": "60"}
    assert admin.post(f"{here}rules/new/behaviour/", rule).url == f"{here}#rules"
    fit = '{"field": "person.country", "op": "is", "value": "DE"}'
    admin.post(f"{here}rules/new/fit/", {"name": "Germany", "points": "10.5", "condition": fit})
    admin.post(f"{here}thresholds/", {"limit": "45", "grade_A": "9", "grade_B": "5", "grade_C": "1"})
    rules = list(Rule.objects.values_list("order", "name", "kind", "where", "half_life_days", "condition"))
    assert rules[0] == (1, "Demo", "behaviour", {"kind": "demo_requested", "channel": "web"}, 30, None)
    assert rules[1][:3] == (2, "Germany", "fit")
    page = text_of(admin.get(here))
    assert "half after 30 days" in page and "country is “DE”" in page and "+10.5" in page
    admin.post(f"{here}preview/")
    work()
    page = text_of(admin.get(here))
    assert (figure(page, "enter"), figure(page, "leave"), figure(page, "reached_then")) == ("1", "0", "1")
    assert "kept" not in page
    assert text_of(admin.get(f"{here}crossings/?enters=true")).count('class="table__main"') == 1
    assert not Score.objects.exists()
    admin.post(f"{here}publish/")
    work()
    assert ScoringVersion.objects.get().state == "published"
    assert Score.objects.get().shown == 50
    profile = text_of(admin.get(f"/people/{someone.pk}/"))
    assert figure(profile, "score:hot_leads") == "11", "the demo of last year has faded since the tests' now"
    assert "Rounded to whole points" in profile and "34 points to the limit of 45" in profile
    assert "“Demo” once more" in profile


def test_rules_are_changed_moved_and_removed_in_a_draft_only(admin):
    version = draft()
    here = "/scoring/lead/v1/"
    first, second, third = version.rules.order_by("order")[:3]
    admin.post(f"{here}rules/{second.pk}/move/", {"to": "up"})
    assert list(version.rules.order_by("order").values_list("name", flat=True))[:2] == [second.name, first.name]
    admin.post(f"{here}rules/{first.pk}/move/", {"to": "down"})
    admin.post(f"{here}rules/{third.pk}/remove/")
    assert list(version.rules.order_by("order").values_list("order", flat=True)) == [1, 2, 3, 4, 5]
    assert "Keep the rule" in text_of(admin.get(f"{here}rules/{first.pk}/"))
    admin.post(f"{here}rules/{first.pk}/", {"name": "Wants a demo", "points": "35", "kind": "demo_requested"})
    first.refresh_from_db()
    assert (first.name, first.points, first.half_life_days, first.once) == ("Wants a demo", 35, None, False)
    ScoringVersion.objects.filter(pk=version.pk).update(state="published")
    told = admin.post(f"{here}rules/{first.pk}/remove/", follow=True).content.decode()
    assert "is not a draft" in told and version.rules.count() == 5


def test_what_a_form_does_not_show_of_a_rule_is_kept(admin):
    text = LEAD.replace("did: {kind: demo_requested}", "did: {kind: [demo_requested, trial], properties.plan: pro}")
    rule = draft(text).rules.get(order=1)
    page = text_of(admin.get(f"/scoring/lead/v1/rules/{rule.pk}/"))
    assert "they are kept as they are" in page and "properties.plan" in page
    admin.post(f"/scoring/lead/v1/rules/{rule.pk}/", {"name": "Demo", "points": "3", "channel": ""})
    rule.refresh_from_db()
    assert rule.where == {"kind": ["demo_requested", "trial"], "properties.plan": "pro"}


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("behaviour", {"name": "X", "points": "0"}, "is nothing"),
        ("behaviour", {"name": "X", "points": "5000"}, "less than or equal to 1000"),
        ("behaviour", {"name": "", "points": "5"}, "required"),
        ("fit", {"name": "X", "points": "5", "condition": "{}"}, "at least one condition"),
        ("fit", {"name": "X", "points": "5", "condition": "{nonsense"}, "no JSON"),
        ("fit", {"name": "X", "points": "5", "condition": '{"field": "person.contry", "op": "is", "value": "DE"}'}, "did you mean"),
        ("fit", {"name": "X", "points": "5", "condition": '{"field": "score.lead", "op": "at_least", "value": 3}'}, "not of scores"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_in_words(admin, kind, given, told):
    draft()
    answer = admin.post(f"/scoring/lead/v1/rules/new/{kind}/", given)
    assert answer.status_code == 400 and told in answer.content.decode()
    assert Rule.objects.count() == 6


def test_thresholds_that_do_not_fall_are_refused(admin):
    draft()
    answer = admin.post("/scoring/lead/v1/thresholds/", {"grade_A": "5", "grade_B": "9", "grade_C": "1"})
    assert answer.status_code == 400 and "falls from A on" in answer.content.decode()


def test_a_file_comes_back_as_it_was_and_makes_the_next_version(admin):
    from django.core.files.uploadedfile import SimpleUploadedFile

    draft()
    file = admin.get("/scoring/lead/v1/scoring.yaml")
    assert file["Content-Disposition"].endswith('"lead_v1.yaml"')
    answer = admin.post("/scoring/file/", {"file": SimpleUploadedFile("lead.yaml", file.content)})
    assert answer.url == "/scoring/lead/v2/"
    refused = admin.post("/scoring/file/", {"file": SimpleUploadedFile("lead.yaml", b"model: lead")})
    assert refused.status_code == 400 and "name: is missing" in refused.content.decode()


def test_a_new_version_begins_as_a_copy_and_shows_what_it_would_change(admin):
    someone = person(title="Director", country="DE")
    activity(someone, days_ago(5), "demo_requested")
    published()
    answer = admin.post("/scoring/lead/draft/")
    assert answer.url == "/scoring/lead/v2/"
    admin.post("/scoring/lead/v2/thresholds/", {"limit": "90"})
    admin.post("/scoring/lead/v2/preview/")
    work()
    page = text_of(admin.get("/scoring/lead/v2/"))
    assert (figure(page, "enter"), figure(page, "leave")) == ("0", "1")
    assert Crossing.objects.get().subject == someone
    admin.post("/scoring/lead/v2/publish/")
    work()
    assert ScoringModel.objects.get().scored_by.number == 2
    admin.post("/scoring/lead/v2/retire/")
    work()
    assert ScoringModel.objects.get().scored_by.number == 1


def test_an_empty_house_says_what_to_do(admin):
    assert "No scoring model yet" in text_of(admin.get("/scoring/"))
    draft()
    assert "Draft, version 1" in text_of(admin.get("/scoring/"))
    assert "Nobody is scored yet" in text_of(admin.get("/scoring/lead/"))
    assert "No matrix yet" in text_of(admin.get("/scoring/lead/matrix/"))


def test_the_list_of_people_shows_scores_and_exports_them(admin):
    person(title="Director", last_name="Hot")
    published()
    assert "Lead score" in text_of(admin.get("/people/"))
    exported = b"".join(admin.get("/people/?export=csv").streaming_content).decode()
    assert "Lead score: 20" in exported


def test_a_model_that_stands_still_says_so_and_its_profiles_still_open(admin):
    someone = person(title="Director")
    version = published()
    ScoringModel.objects.filter(pk=version.model_id).update(fault="there is no field “x”")
    page = text_of(admin.get("/scoring/lead/"))
    assert "stand still" in page and "there is no field" in page
    live.run_all(NOW)
    assert admin.get(f"/people/{someone.pk}/").status_code == 200
