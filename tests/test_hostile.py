"""What an attack has once broken: each is answered in words, and nothing odd is kept."""

import json
import uuid

import pytest
from django.core.exceptions import ValidationError

from audience import segments
from audience.asked.builder import ConditionField
from audience.models import Activity, Person
from campaigns import channels, plans, rendering, tracking
from campaigns.models import ContentVersion, Message, Response
from campaigns.rendering import ContentError, ToRender
from kit.forms import Day, Instant
from kit.models import Task
from kit.yamlfiles import DocumentError
from lifecycle.editions import documents as lifecycle_documents
from scoring import documents, running, versions
from scoring.models import ScoringModel, ScoringVersion
from tests.campaigns import making
from tests.factories import NOW, SMALL, activity, days_ago, person

pytestmark = pytest.mark.django_db

SCORE = """
model: lead
name: Lead score
limit: 20
rules:
  - {name: Visited, points: 10, did: {kind: page_visited}}
"""


@pytest.mark.parametrize("field", [Day(required=False), Instant(required=False)])
@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31", "0999-12-31T10:00", "9001-01-01T00:00"])
def test_a_date_at_the_ends_of_the_calendar_is_refused(field, value):
    """In some zone it leaves the calendar, and a row with it can never be read again."""
    with pytest.raises(Exception, match="year between 1000 and 9000|valid date"):
        field.clean(value)
    assert field.clean("") is None


def test_an_activity_of_the_year_one_is_refused_and_the_person_can_still_be_read(admin_client):
    someone = person()
    asked = {"kind": "call", "occurred_at": "0001-01-01T00:00", "once": "a" * 32, "summary": "kept"}
    answer = admin_client.post(f"/people/{someone.pk}/record/", asked)
    assert answer.status_code in (200, 400) and b"year between" in answer.content and b"kept" in answer.content
    assert not Activity.objects.exists() and Person.objects.get(pk=someone.pk).first_seen_at.year > 2000


def test_a_score_in_force_from_the_year_one_is_refused_in_the_form_and_in_the_file(admin_client):
    version = versions.draft(documents.parse(SCORE), by=None, now=NOW)
    answer = admin_client.post(f"/scoring/lead/v{version.number}/thresholds/", {"effective_from": "0001-01-01"})
    assert b"year between" in answer.content
    with pytest.raises(DocumentError, match="effective_from.*between the years"):
        documents.parse(SCORE + "effective_from: 0001-01-01\n")
    assert ScoringVersion.objects.get().effective_from is None


@pytest.mark.parametrize("bad", [r'"a\0b"', r'"a\uD800b"'])
def test_a_file_with_what_no_database_takes_is_refused(bad):
    for parse, text in ((documents.parse, SCORE), (lifecycle_documents.parse, SMALL)):
        with pytest.raises(DocumentError):
            parse(text.replace("name: Lead score", f"name: {bad}").replace("name: Small", f"name: {bad}"))


def test_a_case_of_the_year_one_is_refused():
    case = "cases: [{name: Old, person: {first_seen: 0001-01-01}, expect: {on: 2025-03-05, stage: known}}]"
    with pytest.raises(DocumentError, match="first_seen"):
        lifecycle_documents.parse(SMALL + case)


def test_a_key_with_a_nul_has_no_values_in_use(admin_client):
    activity(person(), days_ago(1))
    asked = {"of": "person", "field": "activity.count", "key": "properties.\x00a"}
    answer = admin_client.get("/conditions/values/", asked)
    assert answer.status_code == 200 and json.loads(answer.content) == {"values": []}


def test_an_id_of_five_thousand_digits_names_no_row(admin_client):
    answer = admin_client.post("/people/", {"action": "tag", "id": "9" * 5000, "tag": "x"}, follow=True)
    assert answer.status_code == 200


def test_lists_whose_rows_are_prepared_can_be_taken_as_a_file(admin_client):
    someone = person(first_name="Ada")
    activity(someone, days_ago(1))
    version = versions.draft(documents.parse(SCORE), by=None, now=NOW)
    ScoringVersion.objects.filter(pk=version.pk).update(state="published", published_at=NOW)
    running.full(ScoringModel.objects.get(), at=NOW, now=NOW)
    Task.objects.create(title="Call back", subject_id=someone.pk, created_at=NOW)
    for url, words in (("/scoring/lead/scores/?export=csv", b"Ada"), ("/work/?whose=all&export=csv", b"Call back")):
        assert words in b"".join(admin_client.get(url).streaming_content), url


def test_a_name_that_an_address_needs_is_given_to_nothing(admin_client):
    condition = {"field": "person.country", "op": "is", "value": "DE"}
    made = segments.create("New", of="person", condition=condition, by=None, now=NOW)
    assert made.slug == "new_2" and admin_client.get(made.get_absolute_url()).status_code == 200
    with pytest.raises(DocumentError, match="addresses of pages need"):
        documents.parse(SCORE.replace("model: lead", "model: new"))


@pytest.mark.parametrize("text", ["name: " + "[" * 5000, "{" * 5000, "rules: [" + "a," * 200_000 + "a]"])
def test_a_file_that_is_nested_or_long_without_end_is_refused_before_it_is_read(text):
    with pytest.raises(DocumentError, match="too deep|more than such a document"):
        documents.parse(text)


def test_points_beyond_all_bounds_are_refused():
    with pytest.raises(DocumentError, match="is not a number of points"):
        documents.parse(SCORE.replace("points: 10", 'points: "9e999999999"'))


def test_own_domains_have_an_end(admin_client):
    answer = admin_client.post("/left-out/", {"own": "\n".join(f"d{n}.example" for n in range(201))})
    assert answer.status_code == 400 and b"more than 200 domains" in answer.content


def test_a_number_of_five_thousand_digits_is_no_condition(admin_client):
    asked = {"name": "Odd", "kind": "dynamic", "of": "person"}
    for condition in ("9" * 5000, '{"field": "person.country", "op": "is", "value": ' + "9" * 5000 + "}"):
        with pytest.raises(ValidationError, match="too many digits"):
            ConditionField().clean(condition)
        answer = admin_client.post("/segments/new/", asked | {"condition": condition})
        assert answer.status_code in (200, 400) and b"too many digits" in answer.content


@pytest.mark.parametrize("charset", ["utf-7", "iso-8859-1", "utf-16"])
def test_a_form_in_another_encoding_is_refused_and_somebody_who_wants_to_leave_leaves(client, charset):
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    answer = client.post("/sign-in/", b"username=a", content_type=kind)
    assert answer.status_code == 400 and b"not understood" in answer.content
    message = making.sent(person(email="ada@example.com"), making.steps(making.launched(making.simple()))[0])
    address = tracking.Addresses(message.pk, "").unsubscribe
    assert client.post(address, b"List-Unsubscribe=One-Click", content_type=kind).status_code == 200
    assert Response.objects.get().kind == "unsubscribed"


def test_a_reason_with_a_nul_pauses_a_campaign(admin_client):
    campaign = making.launched(making.simple()).campaign
    admin_client.post(f"/campaigns/{campaign.slug}/pause/", {"because": "a\0b"})
    campaign.refresh_from_db()
    assert (campaign.state, campaign.paused_because) == ("paused", "ab")


@pytest.mark.parametrize("address", ["https://[2001:db8", "http://a]b/", "https://exa℀mple.com/"])
def test_an_address_that_cannot_be_taken_apart_is_refused_and_leads_nowhere(client, address):
    """Standing in a message that has left already, it answers like a link that is none."""
    with pytest.raises(ContentError, match="no address that a browser could follow"):
        rendering.compile(f'<p><a href="{address}">Read</a></p>', "html")
    assert rendering.compile("<p>Read</p>", "html", text=f"Read {address}").links == []
    message = making.sent(person(email="ada@example.com"), making.steps(making.launched(making.simple()))[0])
    Message.objects.filter(pk=message.pk).update(links=[address])
    assert client.get(tracking.Addresses(message.pk, "").click(0)).status_code == 400
    assert rendering.tagged(address, campaign="c") == address


def test_an_address_made_of_a_value_that_cannot_be_taken_apart_leads_nowhere():
    made = rendering.compile('<p><a href="https://{{ person.site }}/">Read</a></p>', "html")
    version = ContentVersion(subject="s", html=made.html, text=made.text, links=made.links)
    asked = ToRender(uuid.uuid4(), version, {"person": {"site": "[2001:db8"}})
    assert rendering.render([asked])[asked.id].links == [""]


@pytest.mark.parametrize("host", ["smtp..example.com", "a" * 64 + ".example"])
def test_a_mail_server_that_cannot_be_called_so_is_refused_and_trying_one_is_answered(admin_client, host):
    asked = {"provider": "smtp", "host": host, "port": 25, "security": "none", "batch": 25}
    assert b"no name of a server" in admin_client.post("/sending/", asked).content
    setting = channels.setting_of("email")
    setting.provider, setting.settings = "smtp", {"host": host, "port": 25, "security": "none"}
    setting.save()
    answer = admin_client.post("/sending/try/", follow=True)
    assert answer.status_code == 200 and b"no server can be called so" in answer.content


def test_a_segment_whose_people_entered_a_campaign_that_was_stopped_is_not_deleted(admin_client):
    segment = making.segment(person(email="ada@example.com"))
    campaign = making.launched(making.simple(entry="segment", segment=segment)).campaign
    plans.stop(campaign, by=None, now=NOW)
    answer = admin_client.post(f"/segments/{segment.slug}/delete/", follow=True)
    assert answer.status_code == 200 and b"is in use" in answer.content
    assert campaign.name.encode() in answer.content
