"""The builder's form field, and what it asks the server while somebody uses it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.core.cache import cache
from django.db import InternalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audience.asked.builder import ConditionField
from audience.conditions import compile, offering, tree, trial
from audience.models import Field, Person
from kit import reading
from kit.models import User
from kit.sql import Sql, rows, run, sql, value
from lifecycle.ledger import stages
from tests.factories import account, activity, person, published

pytestmark = pytest.mark.django_db

FROM_GERMANY = {"field": "person.country", "op": "is", "value": "DE"}


def form(text: str, **given: object) -> forms.Form:
    class Asking(forms.Form):
        condition = ConditionField(**given)  # type: ignore[arg-type]

    return Asking({"condition": text})


@pytest.fixture(autouse=True)
def _nothing_remembered():
    cache.clear()


@pytest.fixture
def signed_in(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    return client


# ---- the form field ----


def test_a_condition_is_cleaned_to_the_form_in_which_it_is_kept():
    asked = form(json.dumps({"all": [FROM_GERMANY, {"all": []}]}))
    assert asked.is_valid()
    assert asked.cleaned_data["condition"] == {"all": [FROM_GERMANY, {}]}


@pytest.mark.parametrize("text", ["", "{}", "null", '{"all": []}'])
def test_nothing_means_everybody_unless_the_form_refuses_that(text):
    assert form(text).is_valid()
    refused = form(text, required=True)
    assert not refused.is_valid()
    assert "at least one condition" in str(refused.errors)


def test_all_mistakes_are_told_at_once_each_with_its_place():
    wrong = {"any": [{"field": "person.contry", "op": "is", "value": "DE"},
                     {"not": {"field": "activity.count", "op": "at_least"}}, FROM_GERMANY]}  # fmt: skip
    refused = form(json.dumps(wrong))
    assert not refused.is_valid()
    told = refused.errors["condition"].as_data()
    assert [each.code for each in told] == ["unknown_field", "wrong_type"]
    assert "any › 1 › field: there is no field “person.contry”; did you mean “person.country”?" in told[0].messages
    assert told[1].messages[0].startswith("any › 2 › not › value: ")


@pytest.mark.parametrize("text", ["{", "[1", "“", "[" * 100_000, '"' + "x" * 300_000 + '"', "[]", "7", '{"all": 3}'])
def test_what_is_no_condition_is_refused_in_words(text):
    refused = form(text)
    assert not refused.is_valid()
    assert refused.errors["condition"]


def test_the_problems_are_none_exactly_when_the_parser_takes_it():
    assert tree.problems(FROM_GERMANY) == []
    many = {"all": [{"any": [FROM_GERMANY] * 30}] * 30}
    assert [each.code for each in tree.problems(many)] == ["too_many"]
    deep = FROM_GERMANY
    for _level in range(80):
        deep = {"not": deep}
    assert [each.code for each in tree.problems(deep)] == ["too_deep"]


def test_without_scripts_the_widget_is_a_sentence_and_its_json():
    shown = str(ConditionField().widget.render("condition", {"all": [FROM_GERMANY]}, {"id": "id_condition"}))
    assert "country is “DE”" in shown
    assert '<textarea class="input builder__text" name="condition"' in shown
    assert "&quot;person.country&quot;" in shown
    assert 'data-check="/conditions/check/?of=person"' in shown
    typed = str(ConditionField().widget.render("condition", "</textarea><script>", {}))
    assert "<script>" not in typed


def test_a_form_says_which_files_its_page_needs():
    media = str(form("{}").media)
    assert "css/builder.css" in media
    assert 'type="module"' in media


# ---- fields ----


def test_every_field_is_offered_with_what_a_builder_must_know_of_it(signed_in):
    Field.objects.create(of="person", slug="plan", label="Plan", type="choice", choices=["free", ["pro", "Pro plan"]],
                         created_at=timezone.now())  # fmt: skip
    published()
    told = signed_in.get("/conditions/fields/?of=person").json()
    fields = {each["name"]: each for each in told["fields"]}
    assert fields["person.country"]["group"] == "Person"
    assert {"name": "in", "label": "is one of", "takes": "texts"} in fields["person.country"]["operators"]
    takes = {each["name"]: each["takes"] for each in fields["activity.count"]["operators"]}
    assert takes["between"] == "number,number"
    assert "empty" not in takes
    assert fields["person.custom.plan"]["choices"][1] == {"value": "pro", "label": "Pro plan"}
    where = {each["key"]: each for each in fields["activity.count"]["where"]}
    assert where["actor"] == {
        "key": "actor",
        "label": "actor",
        "choices": ["human", "bot", "proxy", "unknown"],
        "takes": "texts",
    }
    assert where["since"]["takes"] == "day"
    assert fields["activity.count"]["windowed"] and not fields["person.country"]["windowed"]
    assert fields["stage.small"]["choices"][0] == {"value": "known", "label": "Known"}
    of_accounts = {each["name"] for each in signed_in.get("/conditions/fields/?of=account").json()["fields"]}
    assert "person.country" not in of_accounts and "account.industry" in of_accounts


def test_every_operator_says_what_it_takes():
    for each in offering.fields("person") + offering.fields("account"):
        assert all(operator["takes"] for operator in each["operators"]), each["name"]


# ---- values in use ----


def test_the_values_in_use_are_offered_the_most_frequent_first(signed_in):
    for country in ("DE", "FR", "FR", "US", ""):
        person(country=country, custom={"tier": "gold"})
    offered = signed_in.get("/conditions/values/?of=person&field=person.country").json()["values"]
    assert offered == [{"value": each, "label": each} for each in ("FR", "DE", "US")]
    searched = signed_in.get("/conditions/values/?of=person&field=person.country&q=d").json()["values"]
    assert [each["value"] for each in searched] == ["DE"]


def test_what_facts_are_narrowed_by_is_offered_too(signed_in):
    ada = person()
    activity(ada, timezone.now(), "webinar_attended", channel="web", properties={"topic": "price"})

    def offered(**asked: str) -> list[str]:
        found = signed_in.get("/conditions/values/", {"of": "person", "field": "activity.count", **asked}).json()
        return [each["value"] for each in found["values"]]

    assert offered(key="kind") == ["webinar_attended"]
    assert offered(key="channel") == ["web"]
    assert offered(key="properties") == ["topic"]
    assert offered(key="properties.topic") == ["price"]
    assert offered(key="actor") == ["human", "bot", "proxy", "unknown"]
    assert offered(key="no such") == offered(key="properties'; DROP") == []


@pytest.mark.parametrize("asked", [{}, {"field": "no.such"}, {"field": "person.created"}, {"field": "person.country", "key": "kind"},
                                   {"field": "person.email", "q": "\x00%_'" * 100}])  # fmt: skip
def test_an_odd_question_for_values_is_answered_with_none(signed_in, asked):
    assert signed_in.get("/conditions/values/", asked).json() == {"values": []}


# ---- the check ----


def check(client, condition, of="person"):
    return client.post(f"/conditions/check/?of={of}", json.dumps(condition), content_type="application/json")


def test_the_count_is_that_of_the_list_and_the_sample_is_of_it(signed_in):
    for number in range(25):
        person(first_name=f"P{number}", country="DE" if number % 2 else "FR")
    told = check(signed_in, FROM_GERMANY).json()
    listed = compile.count(tree.parse(FROM_GERMANY), of="person", at=timezone.now())
    assert told["count"] == listed == 12
    assert told["counted"] == "12 people"
    assert len(told["sample"]) == 10
    assert told["sample"][0]["name"] == "P23"
    assert told["sentence"] == "country is “DE”"


def test_what_happens_at_this_moment_counts(signed_in):
    ada = person()
    activity(ada, timezone.now())
    told = check(signed_in, {"field": "activity.count", "op": "at_least", "value": 1}).json()
    assert told["count"] == 1


def test_mistakes_are_answered_with_the_path_of_their_node(signed_in):
    told = check(
        signed_in, {"all": [FROM_GERMANY, {"not": {"field": "activity.count", "op": "at_least", "value": "x"}}]}
    ).json()
    assert told["count"] is None
    assert told["errors"][0]["steps"] == ["all", "2", "not", "value"]
    assert told["errors"][0]["reason"] == "needs a number, not “x”"


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "[" * 50_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_a_body_that_is_no_condition_is_answered_and_never_fails(signed_in, body):
    answer = signed_in.post("/conditions/check/", body, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["errors"]


def test_accounts_are_asked_as_accounts(signed_in):
    account(name="Acme", industry="Rail")
    told = check(signed_in, {"field": "account.industry", "op": "is", "value": "rail"}, of="account").json()
    assert told["counted"] == "1 account"
    assert told["sample"] == [{"name": "Acme", "detail": "Rail", "url": account_url()}]


def account_url() -> str:
    return value(Sql("SELECT '/accounts/' || max(id) || '/' FROM audience_account"))


def test_a_question_that_takes_too_long_is_answered_in_words():
    for _number in range(50):
        person()
    deep = {
        "all": [
            {"field": "activity.count", "where": {"kind": f"k{n}"}, "op": "at_least", "value": n} for n in range(150)
        ]
    }
    tried = trial.of(deep, of="person", at=timezone.now(), patience=0.001)
    assert tried.count is None
    assert "too long" in tried.trouble
    assert tried.sentence
    assert value(Sql("SELECT 1")) == 1, "the connection goes on"


def test_nothing_can_be_written_while_only_reading():
    before = value(Sql("SELECT current_setting('statement_timeout')"))
    with pytest.raises(InternalError, match="read-only"), transaction.atomic(), reading.only(5):
        person()
    assert value(Sql("SELECT current_setting('transaction_read_only')")) == "off"
    assert value(Sql("SELECT current_setting('statement_timeout')")) == before


def test_a_limit_of_time_holds_for_what_is_within_and_takes_it_back():
    ada = person(first_name="Ada")
    before = value(Sql("SELECT current_setting('statement_timeout')"))
    with reading.in_time(5):
        Person.objects.filter(pk=ada.pk).update(first_name="Bea")
    with pytest.raises(reading.TooSlow), reading.in_time(0.05):
        Person.objects.filter(pk=ada.pk).update(first_name="Eve")
        value(Sql("SELECT pg_sleep(1)::text"))
    ada.refresh_from_db()
    assert ada.first_name == "Bea"
    assert value(Sql("SELECT current_setting('statement_timeout')")) == before
    assert connection.is_usable()


def test_among_many_the_first_answer_is_an_estimate_with_its_margin_and_the_exact_one_follows(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Sql(
        "INSERT INTO audience_person (first_seen_at, country) SELECT now() - interval '1 day', "
        "CASE WHEN i %% 4 = 0 THEN 'DE' ELSE 'FR' END FROM generate_series(1, 6000) i"
    ))  # fmt: skip
    ask = json.dumps({"field": "person.country", "op": "is", "value": "DE"})

    def told(address: str, condition: str = ask) -> Any:
        return signed_in.post(address, condition, content_type="application/json").json()

    few = told("/conditions/check/?of=person&first=1")
    assert (few["count"], few["counted"], few["more"]) == (1500, "1,500 people", False), "few are counted at once"
    monkeypatch.setattr(trial, "MANY", 1000)
    monkeypatch.setattr(trial, "ASKED", 2000)
    first = told("/conditions/check/?of=person&first=1")
    margin = int(re.search(r"± ([\d,]+)", first["counted"])[1].replace(",", ""))  # type: ignore[index]
    assert first["more"] and first["counted"].startswith("about 1,") and 0 < margin < 300
    assert abs(first["count"] - 1500) <= margin and len(first["sample"]) == 10
    assert told("/conditions/check/?of=person&first=1") == first, "it does not flicker"
    assert told("/conditions/check/?of=person")["counted"] == "1,500 people"
    nobody = told(
        "/conditions/check/?of=person&first=1", json.dumps({"field": "person.country", "op": "is", "value": "X"})
    )
    assert nobody["counted"].startswith("fewer than ") and nobody["more"]

    with CaptureQueriesContext(connection) as asked:
        trial.of(json.loads(ask), of="person", at=timezone.now(), first=True)
    counting = next(each["sql"] for each in asked if "WITH held" in each["sql"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # what it may do, whatever of so few people it would
        cursor.execute("EXPLAIN " + counting.replace("%", "%%"), [])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on audience_person" not in plan, "the drawn ones are looked up, and nobody else is read"


def test_beside_few_each_relation_is_found_once_and_the_answer_is_the_same() -> None:
    version, now = published(), timezone.now()
    known = version.stages.get(slug="known")
    everybody = [person(country="DE" if number % 2 else "FR", title="Director") for number in range(8)]
    for number, each in enumerate(everybody):
        if number % 3:
            activity(each, now - timedelta(days=2))
        if number % 4:
            stages.place(each.pk, version, to=known, reason="", by=None, at=now - timedelta(days=1), now=now)
    Person.objects.filter(pk=everybody[5].pk).update(country="")
    did = {"field": "activity.count", "days": 30, "op": "at_least", "value": 1}
    node = tree.parse({"all": [
        {"field": "person.country", "op": "is", "value": "DE"}, {"not": {"not": did}},
        {"any": [{"field": "person.title", "op": "is", "value": "Boss"}, {"field": "stage.small", "op": "is", "value": "known"}]},
    ]})  # fmt: skip
    among = sql("SELECT unnest({}::bigint[]) AS subject_id", [each.pk for each in everybody[:6]])
    few = compile.members(node, of="person", at=now, among=among, few=True)
    assert rows(few) == rows(compile.members(node, of="person", at=now, among=among)) == [(everybody[1].pk,)]
    plan = "\n".join(line for (line,) in rows(sql("EXPLAIN {}", few)))
    assert plan.count("CTE once") == 3, plan
    of_germans = tree.parse({"field": "person.in_account", "op": "is", "value": True,
                             "who": {"field": "account.country", "op": "is", "value": "DE"}})  # fmt: skip
    held = compile.members(of_germans, of="person", at=now, among=among, few=True)
    plan = "\n".join(line for (line,) in rows(sql("EXPLAIN {}", held)))
    assert plan.count("CTE once") == 2, plan
