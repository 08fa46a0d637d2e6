"""Custom fields: defined, changed, removed by page and API; never so that a value, a condition or history is lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audience.conditions import compile, operators, tree
from audience.models import Field, Person, SavedMapping
from audience.subjects import accounts, custom, people, querysets, searchable
from audience.webforms import asking, editing
from campaigns import personal
from kit import jobs
from kit.models import AuditEntry, Job, User
from kit.sql import Sql, rows, run, sql
from tests.asking import Api
from tests.audience.importing.bringing import bring as bring_file
from tests.factories import NOW, account, person

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


def bring(content, mapping):
    return bring_file(content, mapping=mapping, now=timezone.now())


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

    page = said(client, reverse("custom_field_edit", args=[field.pk]), label="Tariff", type="choice", choices="team",
                **{"gone-1": "on"})  # fmt: skip
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
        ({"type": "text", "choices": "a"}, "Only a field of the type “Choice” or “Several choices” has choices."),
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
    said(client, reverse("custom_field_edit", args=[field.pk]), label="Plan", type="choice", choices="team",
         **{"called-0": "Free", "gone-1": "on"})  # fmt: skip
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
    someone = person()
    people.change(someone, {"custom": {"plan": "free"}}, source="x", by=None, now=timezone.now())
    api.refused("delete", url, None, 409, "field_refused")
    api.refused("patch", url, {"type": "text"}, 409, "field_refused")
    unused = api.post("/fields/", {"of": "account", "label": "Unused", "type": "date"}, status=201)
    api.ask("delete", f"/fields/{unused['id']}/", status=204)
    assert [each["slug"] for each in api.pages("/fields/")] == ["plan"]


def test_a_choice_that_is_renamed_is_the_same_value_in_conditions_history_mail_and_files(client, ada):
    field = define()
    someone = person(email="ann@example.com")
    people.change(someone, {"custom": {"plan": "pro"}}, source="x", by=None, now=NOW)
    people.change(someone, {"custom": {"plan": "free"}}, source="x", by=None, now=NOW)
    said(client, reverse("custom_field_edit", args=[field.pk]), label="Plan", type="choice",
         **{"called-0": "free", "called-1": "Professional"})  # fmt: skip
    field.refresh_from_db()
    assert field.labelled() == [("free", "free"), ("pro", "Professional")]
    assert [name for name, _until in field.formerly()["pro"]] == ["pro"]
    profile = client.get(someone.get_absolute_url()).content.decode()
    assert "Professional" in profile, "the earlier value is called as the choice is now"
    asked = {"field": "person.custom.plan", "op": "is", "value": "pro"}
    told = client.post(reverse("conditions_check") + "?of=person", json.dumps(asked), content_type="text/json").json()
    assert told["sentence"].endswith("“Professional”") and told["count"] == 0
    said(client, reverse("custom_field_edit", args=[field.pk]), label="Plan", type="choice",
         **{"called-0": "free", "called-1": "Expert"})  # fmt: skip
    custom_of = lambda: Person.objects.get(pk=someone.pk).custom  # noqa: E731
    for word in ("Professional", "expert", "pro"):
        people.change(someone, {"custom": {"plan": "free"}}, source="x", by=None, now=NOW)
        bring(f"email,plan\nann@example.com,{word}\n", {"email": "email", "plan": "custom.plan"})
        assert custom_of() == {"plan": "pro"}, word
    shown = personal.contexts([someone.pk], now=NOW)[someone.pk]["person"]["custom"]
    assert shown == {"plan": "Expert"}, "mail says what the choice is called"
    page = client.post(
        reverse("custom_field_edit", args=[field.pk]), {"label": "Plan", "type": "choice", "called-1": "Free"}
    )
    assert page.status_code == 400 and "Two choices are called the same" in page.content.decode()


def test_several_choices_are_ticked_asked_for_brought_by_files_and_kept_in_their_order(client, ada):
    define("Interests", type="several", choices=("Rail", "Air", "Sea"))
    someone, other = person(email="ann@example.com"), person(email="bob@example.com")
    edit = reverse("person_edit", args=[someone.pk])
    said(client, edit, **{"email": "ann@example.com", "custom-interests": ["Sea", "Rail"]})
    assert Person.objects.get(pk=someone.pk).custom == {"interests": ["Rail", "Sea"]}
    bring("email,i\nbob@example.com,air; RAIL;air\n", {"email": "email", "i": "custom.interests"})
    assert Person.objects.get(pk=other.pk).custom == {"interests": ["Rail", "Air"]}

    def holds(op, value=None):
        asked = {"field": "person.custom.interests", "op": op, "value": value}
        return [pk for (pk,) in rows(compile.members(tree.parse(asked), of="person", at=timezone.now()))]

    for marked in (False, True):
        Field.objects.update(searchable=marked)  # with an index, and without
        assert holds("is", "sea") == [someone.pk]
        assert sorted(holds("in", ["Air", "Sea"])) == [someone.pk, other.pk]
        assert holds("is", "Rail") and not holds("empty")
    page = client.get(someone.get_absolute_url()).content.decode()
    assert "Rail, Sea" in page
    form = client.get(edit).content.decode()
    assert form.count("checked") == 2
    said(client, edit, **{"email": "ann@example.com", "initial-custom-interests": "Rail\nSea"})
    assert Person.objects.get(pk=someone.pk).custom == {}, "all boxes empty empties it"
    assert "Rail, Sea" in client.get(someone.get_absolute_url()).content.decode(), "what was is in the history"
    with pytest.raises(people.BadValue):
        people.change(someone, {"custom": {"interests": ["Space"]}}, source="x", by=None, now=NOW)


def test_a_hidden_field_is_on_no_profile_and_in_no_builder_until_somebody_asks_for_it(client, ada):
    field = define()
    someone = person()
    people.change(someone, {"custom": {"plan": "pro"}}, source="x", by=None, now=NOW)
    custom.change(field, hidden=True, by=None, now=NOW)
    page = client.get(someone.get_absolute_url()).content.decode()
    assert "Show 1 hidden field" in page and ">pro<" not in page.replace(" ", "")
    assert "pro" in client.get(someone.get_absolute_url() + "?hidden=1").content.decode().partition("known__line")[2]
    assert "custom-plan" not in client.get(reverse("person_edit", args=[someone.pk])).content.decode()
    offered = {each["name"]: each for each in client.get(reverse("conditions_fields") + "?of=person").json()["fields"]}
    assert offered["person.custom.plan"]["hidden"] is True
    asked = {"field": "person.custom.plan", "op": "is", "value": "pro"}
    told = client.post(reverse("conditions_check") + "?of=person", json.dumps(asked), content_type="text/json").json()
    assert told["count"] == 1, "who asks it already goes on asking"


def test_fields_stand_in_their_groups_and_order(client, ada):
    for label, group, position in (("Zebra", "Animals", 1), ("Ant", "Animals", 2), ("Loose", "", 9)):
        define(label, type="text", choices=())
        custom.change(Field.objects.get(label=label), group=group, position=position, by=None, now=NOW)
    page = client.get(person().get_absolute_url()).content.decode()
    places = [page.index(word) for word in (">Loose<", ">Animals<", ">Zebra<", ">Ant<")]
    assert places == sorted(places)


def test_what_a_form_a_content_or_a_mapping_asks_is_neither_removed_nor_of_another_type(client, ada):
    field = define(type="text", choices=())
    form = editing.create("Sign up", by=None, now=NOW)
    asked = replace(asking.read(form.draft), questions=(asking.Question("email"), asking.Question("custom.plan")))
    editing.change(form, name="Sign up", asked=asked, by=None, now=NOW)
    SavedMapping.objects.create(
        name="CRM", kind="people", mapping={"columns": {"Plan": "custom.plan"}}, source="crm", created_at=NOW,
        updated_at=NOW,
    )  # fmt: skip
    remove, edit = (reverse(f"custom_field_{each}", args=[field.pk]) for each in ("remove", "edit"))
    for page in (said(client, remove), client.post(edit, {"label": "Plan", "type": "date"}).content.decode()):
        assert "Form “Sign up”" in page and "Mapping “CRM”" in page
    answer = Api(ada, "people:read", "people:write").refused(
        "delete", f"/fields/{field.pk}/", None, 409, "field_refused"
    )
    assert {"what": "Form", "name": "Sign up"} in answer["users"]
    SavedMapping.objects.all().delete()
    editing.change(form, name="Sign up", asked=asking.starter("Sign up"), by=None, now=NOW)
    assert "was changed" in said(client, edit, label="Plan", type="date")
    assert Field.objects.get().type == "date"


@pytest.mark.parametrize(
    ("type", "values", "asked", "op", "operand"),
    [
        ("text", "'v' || (i %% 5000)", "v7", "is", "V7"),
        ("number", "i %% 5000", 7, "equals", 7),
        ("date", "(date '2020-01-01' + i %% 5000)::text", "2033-09-08", "on_or_after", "2033-09-07"),
        ("several", "jsonb_build_array('c' || (i %% 400))", ["c7"], "is", "c7"),
    ],
)
def test_the_index_of_a_searchable_field_is_used_by_conditions_lists_and_the_search_box(
    client, ada, type, values, asked, op, operand
):
    choices = [f"c{n}" for n in range(400)] if type == "several" else ()
    field = define("Code", type=type, choices=choices)
    run(Sql(
        "INSERT INTO audience_person (first_seen_at, custom) "
        f"SELECT now() - interval '1 day', jsonb_build_object('code', {values}) FROM generate_series(1, 20000) i"
    ))  # fmt: skip
    custom.change(field, searchable=True, by=None, now=NOW)
    assert searchable.ready([field]) == {field.pk}
    index = f"custom_person_{field.pk}"

    def plan(statement, params=()):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}", params)
            return "\n".join(line for (line,) in cursor.fetchall())

    node = tree.parse({"field": "person.custom.code", "op": op, "value": operand})
    held = compile.members(node, of="person", at=timezone.now())
    assert index in plan(held.text, held.params)
    found = {pk for (pk,) in rows(held)}
    by_scan = {pk for (pk,) in rows(sql("SELECT id FROM audience_person WHERE custom -> 'code' = {}::jsonb",
                                        json.dumps(asked)))}  # fmt: skip
    assert found == by_scan if type != "date" else found >= by_scan
    assert found
    ids = searchable.with_value(field, op, operators.TYPES[searchable.asked_as(field)][op].read(operand))
    assert index in plan(ids.text, ids.params) and len(rows(ids)) == len(found)
    if type == "text":
        box = querysets.find_people(Person.objects.all(), "v77")
        assert index in plan(*box.query.sql_with_params()) and box.count() == 4 * 11
        listed = client.get(reverse("people") + "?custom.code=v4999").content.decode()
        assert "4 people" in listed
    custom.change(field, searchable=False, by=None, now=NOW)
    assert searchable.ready([field]) == set()
    assert {pk for (pk,) in rows(compile.members(node, of="person", at=timezone.now()))} == found


@pytest.mark.django_db(transaction=True)
def test_beside_a_large_table_a_job_makes_the_index_and_mends_one_left_unfinished(ada, monkeypatch):
    monkeypatch.setattr(searchable, "AT_ONCE", 0)
    person(), account()
    field = define(type="text", choices=())
    custom.change(field, searchable=True, by=ada, now=NOW)
    assert searchable.ready([field]) == set()
    job = Job.objects.get(kind=searchable.JOB)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, searchable.ready([field])) == (Job.State.DONE, {field.pk})
    run(sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = {}::regclass", f"custom_person_{field.pk}"))
    assert searchable.bring_up(concurrently=True) == 2 and searchable.ready([field]) == {field.pk}
    custom.remove(field, by=ada, now=NOW)
    jobs.run(Job.objects.exclude(pk=job.pk).get(kind=searchable.JOB).pk, NOW)
    assert rows(Sql("SELECT 1 FROM pg_class WHERE relname LIKE 'custom_person_%%'")) == []


def test_an_account_of_the_database_that_may_make_no_indexes_is_told_so(client, ada):
    field = define(type="text", choices=())
    run(Sql("CREATE ROLE no_owner"))
    run(Sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO no_owner"))
    run(Sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO no_owner"))
    run(Sql("SET LOCAL ROLE no_owner"))
    page = client.post(
        reverse("custom_field_edit", args=[field.pk]), {"label": "Plan", "type": "text", "searchable": "on"}
    )
    run(Sql("RESET ROLE"))
    assert page.status_code == 400 and "index_fields" in page.content.decode()
    field.refresh_from_db()
    assert not field.searchable
