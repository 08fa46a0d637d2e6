"""Custom fields: defined, changed, removed by page and API; never so that a value, a condition or history is lost."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.models import Field, Person
from audience.subjects import accounts, custom, people
from kit.models import AuditEntry, User
from tests.asking import Api
from tests.factories import account, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def said(client, url, **data):
    return client.post(url, data, follow=True).content.decode()


def define(label="Plan", of="person", type="choice", choices=("free", "pro")):
    return custom.define(label, of=of, type=type, choices=choices, by=None, now=timezone.now())


def test_a_field_is_defined_filled_asked_for_changed_and_not_removed(client, ada):
    said(client, reverse("custom_field_new"), label="Plan", of="person", type="choice", choices="free\n pro \n\n")
    field = Field.objects.get()
    assert (field.slug, field.choices) == ("plan", ["free", "pro"])
    someone = person(first_name="Ann")
    said(client, reverse("person_edit", args=[someone.pk]), first_name="Ann", **{"custom-plan": "pro"})
    assert Person.objects.get(pk=someone.pk).custom == {"plan": "pro"}
    condition = {"field": "person.custom.plan", "op": "is", "value": "pro"}
    asked = client.post(reverse("conditions_check") + "?of=person", json.dumps(condition), content_type="text/json")
    assert asked.json()["count"] == 1
    listed = client.get(reverse("custom_fields")).content.decode()
    assert "person.custom.plan" in listed and ">100.0%" in listed

    page = said(client, reverse("custom_field_edit", args=[field.pk]), label="Tariff", choices="free\nteam")
    assert "“Tariff” was changed" in page
    field.refresh_from_db()
    assert (field.slug, field.choices, field.type) == ("plan", ["free", "team"], "choice")
    form = client.get(reverse("person_edit", args=[someone.pk])).content.decode()
    assert "Tariff" in form and 'value="pro" selected' in form, "who has what is no choice any more keeps it"

    page = said(client, reverse("custom_field_remove", args=[field.pk]))
    assert "1 row has a value of it" in page
    assert AuditEntry.objects.filter(action__startswith="field.").count() == 2


def test_it_is_removed_only_when_nothing_is_lost(client, ada):
    field = define(of="account", type="text", choices=())
    remove = reverse("custom_field_remove", args=[field.pk])
    asked = {"field": "account.custom.plan", "op": "is", "value": "x"}
    said(client, reverse("segment_new"), name="Planned", of="account", condition=json.dumps(asked))
    assert "It is asked for by: Segment “Planned”" in said(client, remove)
    said(client, reverse("segment_delete", args=["planned"]))
    someone = account(name="Acme")
    for value in ("big", ""):
        accounts.change(someone, {"custom": {"plan": value}}, source="x", by=None, now=timezone.now())
    assert "It had values once" in said(client, remove)
    other = define("Unused")
    assert "“Unused” is removed" in said(client, reverse("custom_field_remove", args=[other.pk]))
    assert list(Field.objects.all()) == [field]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"label": "plan"}, "There is a field called “plan” already."),
        ({"type": "text", "choices": "a"}, "Only a field of the type “Choice” has choices."),
        ({"choices": " \n"}, "Say what can be chosen, one choice a line."),
        ({"choices": "a\na"}, "Each choice can stand there only once."),
        ({"of": "robot"}, "robot"),
        ({"label": " "}, "This field is required."),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(client, ada, given, words):
    define()
    answer = client.post(
        reverse("custom_field_new"), {"label": "Colour", "of": "person", "type": "choice", "choices": "red"} | given
    )
    assert answer.status_code == 400 and words in answer.content.decode()
    assert Field.objects.count() == 1


def test_two_fields_of_one_label_are_of_people_and_of_accounts(ada):
    assert define().slug == define(of="account").slug == "plan"
    assert define("Plan!").slug == "plan_2"


def test_labels_that_a_program_gave_to_choices_stay(client, ada):
    field = define()
    Field.objects.filter(pk=field.pk).update(choices=[["f", "Free"], "pro"])
    said(client, reverse("custom_field_edit", args=[field.pk]), label="Plan", choices="f\nteam")
    field.refresh_from_db()
    assert field.labelled() == [("f", "Free"), ("team", "team")]


def test_over_the_api(ada):
    api = Api(ada, "people:read", "people:write")
    body = {"of": "person", "label": "Plan", "type": "choice", "choices": ["free", "pro"]}
    made = api.post("/fields/", body, status=201)
    assert made["slug"] == "plan"
    url = f"/fields/{made['id']}/"
    assert api.patch(url, {"choices": ["free"]})["choices"] == ["free"]
    assert api.patch(url, {"label": "Tariff"})["label"] == "Tariff"
    api.refused("post", "/fields/", {"of": "person", "label": "tariff", "type": "text"}, 409, "field_refused")
    api.refused("patch", url, {"type": "text"}, 400, "unknown_field")
    someone = person()
    people.change(someone, {"custom": {"plan": "free"}}, source="x", by=None, now=timezone.now())
    api.refused("delete", url, None, 409, "field_refused")
    unused = api.post("/fields/", {"of": "account", "label": "Unused", "type": "date"}, status=201)
    api.ask("delete", f"/fields/{unused['id']}/", status=204)
    assert [each["slug"] for each in api.pages("/fields/")] == ["plan"]
