"""Lifecycles in the browser, as pages answer: start, preview, publish, members, files, and what is refused."""

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audience.models import Person
from kit import jobs
from kit.models import Job, User
from lifecycle.editions import documents
from lifecycle.ledger import stages
from lifecycle.models import Membership, Version
from tests.factories import NOW, SMALL, activity, days_ago, draft, person, published

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def signed_in(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))


def text_of(response):
    return response.content.decode()


def test_an_empty_installation_offers_the_playbooks(client):
    page = text_of(client.get("/lifecycles/"))
    assert "No lifecycle yet" in page
    assert all(each["name"] in page for each in documents.playbooks().values())


def test_from_a_playbook_over_a_preview_to_a_live_lifecycle_with_members(client):
    someone = person(first_name="Grace", first_seen_at=days_ago(20))
    activity(someone, days_ago(10))
    page = client.post("/lifecycles/start/", {"playbook": "net_new_b2b"}, follow=True)
    assert page.redirect_chain == [("/lifecycles/net_new_b2b/v1/", 302)]
    assert "Came to us within the last 90 days" in text_of(page)
    played = text_of(client.get("/lifecycles/net_new_b2b/v1/cases/"))
    assert played.count('class="status status--good"') == len(documents.playbooks()["net_new_b2b"]["cases"])

    client.post("/lifecycles/net_new_b2b/v1/preview/")
    jobs.run(Job.objects.get(kind="preview").pk, NOW)
    page = text_of(client.get("/lifecycles/net_new_b2b/v1/"))
    assert "Memberships: 1; movements, each on the day it would have happened: 2." in page
    assert not Membership.objects.exists()

    client.post("/lifecycles/net_new_b2b/v1/publish/")
    jobs.run(Job.objects.get(kind="replay").pk, NOW)
    page = text_of(client.get("/lifecycles/net_new_b2b/", follow=True))
    assert "Published" in page and 'data-metric="members:engaged">1<' in page
    members = text_of(client.get("/lifecycles/net_new_b2b/members/?stage=engaged"))
    assert "Grace" in members and f'href="/people/{someone.pk}/"' in members
    assert "Nothing matches" in text_of(client.get("/lifecycles/net_new_b2b/members/?stage=mql"))


def test_a_next_version_takes_over_from_the_page_of_its_plan_and_the_earlier_one_comes_back(client):
    version = published()
    for slug, name in (("lead", "Grace"), ("engaged", "Tess")):
        someone = person(first_name=name)
        stages.place(someone.pk, version, to=version.stages.get(slug=slug), reason="", by=None, at=NOW, now=NOW)
    draft(SMALL.replace("slug: lead, name: Lead", "slug: warm, name: Warm").replace("lead", "warm"))
    assert 'href="/lifecycles/small/v2/plan/"' in text_of(client.get("/lifecycles/small/v2/"))
    page = text_of(client.get("/lifecycles/small/v2/plan/"))
    assert "Nobody has said where the one member of “Lead” goes" in page
    page = text_of(client.post("/lifecycles/small/v2/plan/", {"to-lead": "-", "publish": "1"}, follow=True))
    assert "Say why members leave" in page
    page = text_of(client.post("/lifecycles/small/v2/plan/", {"to-lead": "nowhere"}, follow=True))
    assert "Small v2 has no stage “nowhere”" in page
    page = text_of(client.post("/lifecycles/small/v2/plan/", {"to-lead": "warm"}, follow=True))
    assert "Nobody has moved yet" in page and 'data-metric="plan:move"' in page
    assert "Stage “Warm” is new." in text_of(client.get("/lifecycles/small/v1/to/v2/"))

    client.post("/lifecycles/small/v2/preview/")
    jobs.run(Job.objects.get(kind="preview").pk, NOW)
    assert "Members who move over: 2." in text_of(client.get("/lifecycles/small/v2/"))
    client.post("/lifecycles/small/v2/plan/", {"to-lead": "warm", "publish": "1"})
    jobs.run(Job.objects.get(kind="migrate").pk, NOW)
    assert "Grace" in text_of(client.get("/lifecycles/small/members/?stage=warm"))
    assert "Tess" in text_of(client.get("/lifecycles/small/members/?stage=engaged")), "in whatever version"

    page = text_of(client.get("/lifecycles/small/v1/plan/"))
    assert "Everybody returns to where they were" in page
    client.post("/lifecycles/small/v1/plan/", {"publish": "1"})
    jobs.run(Job.objects.filter(kind="migrate").latest("pk").pk, NOW)
    assert "Grace" in text_of(client.get("/lifecycles/small/members/?stage=lead"))
    assert "There is nobody to move over" in text_of(client.get("/lifecycles/small/v1/plan/", follow=True))


def test_who_is_left_out_of_figures_is_neither_in_those_of_the_list_nor_of_the_stages(client):
    version = published()
    for each in (person(first_name="Grace"), person(first_name="Tess", is_excluded=True)):
        stages.place(each.pk, version, to=version.stages.get(slug="lead"), reason="", by=None, at=NOW, now=NOW)
    figures = re.findall(r'class="table__figure" href="([^"]+)">(\d+)<', text_of(client.get("/lifecycles/")))
    assert [number for _url, number in figures] == ["1", "0"]
    page = text_of(client.get("/lifecycles/small/v1/"))
    figures += re.findall(r'class="stat__value" href="([^"]+)" data-metric="members:lead">(\d+)<', page)
    for url, number in figures:
        members = text_of(client.get(unescape(url)))
        assert len(re.findall(r'href="/people/\d+/"', members)) == int(number) and "Tess" not in members, url
    assert len(figures) == 3


def test_previews_and_plans_tell_apart_whom_figures_leave_out(client):
    for each in (person(first_name="Grace"), person(first_name="Tess", is_excluded=True)):
        activity(each, days_ago(10))
    draft()
    client.post("/lifecycles/small/v1/preview/")
    jobs.run(Job.objects.get(kind="preview").pk, NOW)
    told = "1 of these is left out of figures"
    page = text_of(client.get("/lifecycles/small/v1/"))
    assert "Memberships: 2;" in page and told in page
    client.post("/lifecycles/small/v1/publish/")
    jobs.run(Job.objects.get(kind="replay").pk, NOW)
    draft(SMALL.replace("name: Lead", "name: Warm"))
    page = text_of(client.get("/lifecycles/small/v2/plan/"))
    assert 'data-metric="plan:all">2<' in page and told in page
    client.post("/lifecycles/small/v2/preview/")
    jobs.run(Job.objects.filter(kind="preview").latest("pk").pk, NOW)
    page = text_of(client.get("/lifecycles/small/v2/"))
    assert "Members who move over: 2." in page and told in page
    Person.objects.update(is_excluded=False)
    assert "left out of figures" not in text_of(client.get("/lifecycles/small/v2/plan/"))


def test_what_cannot_be_published_says_why_and_stays_a_draft(client):
    draft(SMALL.replace("name: Lead}", "name: Lead, kind: sla}"))
    page = text_of(client.post("/lifecycles/small/v1/publish/", follow=True))
    assert page.count("The SLA stage “Lead” has no limit.") >= 1
    assert Version.objects.get().state == Version.State.DRAFT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SMALL.replace("to: won", "to: wno").encode(), "there is no stage “wno”"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"%PDF-1.4 \x00", "line"),
        (b"x" * 600_000, "too long"),
    ],
)
def test_a_file_that_is_no_lifecycle_is_refused_with_its_reason(client, content, words):
    answer = client.post("/lifecycles/start/", {"file": SimpleUploadedFile("l.yaml", content)})
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert not Version.objects.exists()


def test_nothing_chosen_and_an_unknown_playbook_are_said(client):
    for sent in ({}, {"playbook": "../../etc/passwd"}):
        answer = client.post("/lifecycles/start/", sent)
        assert answer.status_code == 400
        assert "Choose a playbook or a file." in text_of(answer)


def test_a_version_downloads_as_the_file_that_makes_it_again(client):
    published()
    answer = client.get("/lifecycles/small/v1/lifecycle.yaml")
    assert answer["Content-Disposition"] == 'attachment; filename="small_v1.yaml"'
    assert documents.parse(answer.content.decode())["stages"][0]["slug"] == "known"


def test_a_draft_is_discarded_and_a_live_version_is_not(client):
    draft()
    client.post("/lifecycles/small/v1/discard/")
    assert not Version.objects.exists()
    published()
    assert "not a draft" in text_of(client.post("/lifecycles/small/v1/discard/", follow=True))
    assert Version.objects.exists()


def test_unknown_lifecycles_and_versions_are_not_found(client):
    published()
    for address in ("/lifecycles/none/", "/lifecycles/small/v9/", "/lifecycles/none/members/"):
        assert client.get(address).status_code == 404


def test_the_list_asks_the_same_number_of_questions_however_many_lifecycles_there_are(
    client, django_assert_max_num_queries
):
    for number in range(3):
        published(SMALL.replace("lifecycle: small", f"lifecycle: small{number}"))
    with django_assert_max_num_queries(8):
        client.get("/lifecycles/")


def test_words_of_users_are_shown_as_words(client):
    draft(SMALL.replace("name: Small", "name: <script>alert(1)</script>"))
    page = text_of(client.get("/lifecycles/")) + text_of(client.get("/lifecycles/small/v1/"))
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
