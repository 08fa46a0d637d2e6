"""The company as a question, questions that hang on an answer, and forms drafted by programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Account, Field, Form, Person, Submission
from audience.subjects import custom
from audience.webforms import asking, editing
from audience.webforms.asking import Question
from kit.models import User
from tests import asking as api_asking
from tests.asking import Api
from tests.audience.webforms import making
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db
ASKS_COMPANY = (Question("email", required=True), Question("company"))


def of(email: str) -> str:
    """The name and number of the account that somebody is in."""
    found = Person.objects.get(email=email).account
    return f"{found.name} #{found.pk}" if found else ""


def test_a_company_is_found_by_the_domain_else_by_the_name_else_made(client: Client) -> None:
    acme = account(name="Acme Rail", domain="acme.example")
    plain, elsewhere = account(name="Plain Ltd"), account(name="Elsewhere", domain="elsewhere.example")
    form = making.published(questions=ASKS_COMPANY, double_opt_in=False)
    for email, company in (
        ("ann@acme.example", "acme"),  # the domain says it, whatever is typed
        ("bob@gmail.com", "plain ltd"),  # everybody's domain says nothing
        ("cid@own.example", "Elsewhere"),  # one of that name, and of another domain
        ("dan@own.example", "Whatever"),  # the one that was made of the row before
        ("eve@gmail.com", "New One"),
        ("fay@gmail.com", " "),
    ):
        assert making.send(client, form, email=email, company=company).status_code == 303, email
    assert of("ann@acme.example") == f"Acme Rail #{acme.pk}"
    assert of("bob@gmail.com") == f"Plain Ltd #{plain.pk}"
    made = Account.objects.get(name="Elsewhere", domain="own.example")
    assert made != elsewhere and of("cid@own.example") == of("dan@own.example") == f"Elsewhere #{made.pk}"
    assert of("eve@gmail.com").startswith("New One #") and of("fay@gmail.com") == ""
    assert Account.objects.count() == 5
    assert Submission.objects.get(person__email="eve@gmail.com").answers["company"] == "New One"


def test_a_stranger_moves_nobody_into_another_company(client: Client) -> None:
    theirs = account(name="Theirs")
    person(email="ann@gmail.com", account=theirs)
    form = making.published(questions=ASKS_COMPANY, double_opt_in=False)
    making.send(client, form, email="ann@gmail.com", company="Another")
    assert of("ann@gmail.com") == f"Theirs #{theirs.pk}" and Account.objects.count() == 1


@pytest.fixture
def logic() -> Form:
    for label, type, choices in (("Plan", "choice", ["free", "pro"]), ("Seats", "number", []), ("Why", "text", []),
                                 ("Visit", "yes_no", []), ("Topics", "several", ["Rail", "Air"])):  # fmt: skip
        custom.define(label, of=Field.Of.PERSON, type=type, choices=choices, by=None, now=NOW)
    questions = (
        Question("email", required=True), Question("custom.plan"),
        Question("custom.seats", required=True, after="custom.plan", answer="Pro"),
        Question("custom.why", required=True, after="custom.seats"),
        Question("custom.topics"), Question("city", after="custom.topics", answer="rail"),
        Question("custom.visit"), Question("country", after="custom.visit", answer="yes"),
    )  # fmt: skip
    return making.published(questions=questions, double_opt_in=False)


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ({"custom__plan": "free", "custom__seats": "4", "custom__why": "x"}, {"custom.plan": "free"}),
        ({"custom__plan": "pro", "custom__seats": "4", "custom__why": "x"},
         {"custom.plan": "pro", "custom.seats": 4, "custom.why": "x"}),
        ({"custom__topics": ["Air"], "city": "Bonn"}, {"custom.topics": ["Air"]}),
        ({"custom__topics": ["Air", "Rail"], "city": "Bonn"}, {"custom.topics": ["Air", "Rail"], "city": "Bonn"}),
        ({"country": "DE"}, {}),
        ({"custom__visit": "on", "country": "DE"}, {"custom.visit": True, "country": "DE"}),
    ],
)  # fmt: skip
def test_what_hangs_on_an_answer_is_wanted_and_kept_only_with_it(
    client: Client, logic: Form, answers: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert making.send(client, logic, email="ann@x.example", **answers).status_code == 303
    assert Submission.objects.get().answers == {"email": "ann@x.example"} | kept


def test_a_required_question_is_wanted_once_it_is_put_and_the_page_says_on_what_it_hangs(
    client: Client, logic: Form
) -> None:
    page = making.send(client, logic, email="ann@x.example", custom__plan="pro")
    assert page.status_code == 400 and making.text(page).count("This field is required.") == 1
    assert not Submission.objects.exists()
    shown = client.get(making.address(logic)).content.decode()
    assert 'data-after="custom.plan" data-answer="Pro"' in shown and "js/form.js" in shown


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ((Question("city", after="country"), Question("country")), "hangs on “country”, which is not asked before it"),
        ((Question("custom.plan"), Question("city", after="custom.plan", answer="gold")), "never has"),
        ((Question("city", when="hidden", value="x", after="email"),), "never asked"),
    ],
)
def test_logic_that_cannot_be_is_refused_on_publishing(logic: Form, questions: Any, words: str) -> None:
    asked = making.asked(questions=(Question("email", required=True), *questions))
    assert any(words in each for each in editing.problems(asked))


def test_a_form_is_drafted_published_and_closed_by_a_program(client: Client) -> None:
    api = Api(api_asking.user(User.Role.MARKETER), "forms:read", "forms:write")
    made = api.post("/forms/", {"name": "Fair", "title": "Meet us"}, 201)
    assert (made["slug"], made["state"], made["draft"]["title"]) == ("fair", "draft", "Meet us")
    assert [each["field"] for each in made["draft"]["questions"]] == ["email", "first_name", "last_name"]
    questions = [{"field": "company"}, {"field": "city", "after": "company"}]
    api.patch("/forms/fair/", {"questions": questions})
    api.refused("post", "/forms/fair/publish/", None, 409, "form_refused")
    told = api.patch("/forms/fair/", {"questions": [{"field": "email", "required": True}, *questions]})
    assert told["draft"]["questions"][2]["after"] == "company" and told["questions"] == []
    published = api.post("/forms/fair/publish/")
    assert (published["state"], published["edition"], len(published["questions"])) == ("published", 1, 3)
    assert client.get(making.address(Form.objects.get())).status_code == 200
    assert api.post("/forms/fair/close/")["state"] == "closed"
    for wrong in ([{"field": "custom.nothing"}], [{"field": "email", "when": "never"}], [{"field": "email", "x": 1}]):
        assert api.ask("patch", "/forms/fair/", {"questions": wrong}, status=400)
    assert asking.read(Form.objects.get().draft).title == "Meet us"


def test_the_draft_page_keeps_on_what_a_question_hangs(client: Client) -> None:
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    form = making.published(questions=(Question("email", required=True), Question("company"), Question("city")))
    page = client.get(reverse("form_edit", args=[form.slug]))
    data: dict[str, Any] = {}
    for each in (page.context["words"], page.context["rows"].management_form, *page.context["rows"]):
        data |= {each.add_prefix(name): each[name].value() or "" for name in each.fields if name != "upload"}
    data |= {"q-2-after": "company", "double_opt_in": "on", "remembers": "on"}
    kept = {name: value for name, value in data.items() if value not in (False, "")}
    assert client.post(reverse("form_edit", args=[form.slug]), kept).status_code == 302
    form.refresh_from_db()
    assert asking.read(form.draft).questions[2] == Question("city", after="company")
