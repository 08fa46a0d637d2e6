"""What strangers send becomes a person, an activity and consent, and never more than a stranger may do."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audience import consent
from audience.models import (
    Activity,
    ConsentRecord,
    Field,
    FormDay,
    Person,
    RefusedSubmission,
    Submission,
    Suppression,
    Visitor,
)
from audience.subjects import erasure, people
from audience.views.hosted import BEGAN, COOKIE, LATEST
from audience.webforms import submitting
from audience.webforms.asking import Question
from audience.webforms.submitting import Sent
from kit import tokens
from kit.models import Attempts, AuditEntry, Notice
from tests.audience.webforms.making import (
    BROWSER,
    WORDING,
    address,
    opened,
    published,
    republished,
    send,
    text,
    topic,
)
from tests.factories import NOW, days_ago, person

pytestmark = pytest.mark.django_db


def confirmation() -> str:
    """The address in the mail."""
    return Notice.objects.latest("pk").link


def test_a_stranger_becomes_a_person_with_source_activity_and_consent_that_waits(client):
    form = published()
    answer = send(client, form, email="Ada@Example.com", first_name="Ada", topic__news="on", utm_source="fair")
    assert answer.status_code == 303
    ada = Person.objects.get()
    assert (ada.email, ada.first_name, ada.source, ada.created_source) == ("ada@example.com", "Ada", "fair", "forms")
    [told] = Activity.objects.filter(person=ada)
    assert (told.kind.slug, told.channel, told.direction, told.actor) == (
        "form_submitted",
        "website",
        "inbound",
        "human",
    )
    assert told.properties == {"form": "newsletter", "form_name": "Newsletter", "edition": 1, "utm_source": "fair"}
    assert not ConsentRecord.objects.exists()
    assert "We have sent you an email" in text(client.get(answer.url))
    assert AuditEntry.objects.filter(action="form.submit", actor="visitor").count() == 1


def test_consent_counts_once_the_link_of_the_mail_is_posted_and_looking_at_it_changes_nothing(client):
    form = published()
    send(client, form, email="ada@example.com", topic__news="on")
    ada = Person.objects.get()
    notice = Notice.objects.get()
    assert (notice.address, notice.subject_id) == ("ada@example.com", ada.pk) and WORDING in notice.body
    for look in (client.get, client.head):
        assert look(confirmation()).status_code == 200
    assert consent.verdict(ada, topic=topic(), at=timezone.now()) == "no consent"
    assert WORDING in text(client.get(confirmation()))
    assert client.post(confirmation()).status_code == 200
    [given] = ConsentRecord.objects.all()
    assert (given.basis, given.wording, given.given) == ("confirmed", WORDING, True) and "Newsletter" in given.source
    assert consent.verdict(ada, topic=topic(), at=timezone.now()) is None
    assert client.post(confirmation()).status_code == 200 and ConsentRecord.objects.count() == 1
    assert "Confirmed" in text(client.get(confirmation()))


def test_without_double_opt_in_a_ticked_box_counts_at_once_and_an_empty_one_never(client):
    form = published(double_opt_in=False)
    send(client, form, email="ada@example.com", topic__news="on")
    send(client, form, email="bob@example.com")
    [given] = ConsentRecord.objects.all()
    assert (given.person.email, given.basis, given.wording) == ("ada@example.com", "consent", WORDING)
    assert not Notice.objects.exists()


def test_the_wording_that_was_before_the_visitor_is_the_one_that_is_kept(client):
    form = published(double_opt_in=False)
    old = form.edition.number
    form = republished(form, double_opt_in=False, title="Anew", boxes=())
    assert (old, form.edition.number) == (1, 2)
    send(client, form, email="ada@example.com", topic__news="on", edition=old)
    assert ConsentRecord.objects.get().wording == WORDING
    assert Submission.objects.get().edition.number == 1


def test_somebody_who_withdrew_is_not_brought_back_by_a_box_alone_whatever_the_form_says(client):
    form, ada = published(double_opt_in=False), person(email="ada@example.com")
    consent.withdraw(ada, topic=topic(), source="page", at=days_ago(1), now=days_ago(1))
    answer = send(client, form, email="ada@example.com", topic__news="on")
    assert consent.verdict(ada, topic=topic(), at=timezone.now()) == "withdrew"
    assert "We have sent you an email" not in text(client.get(answer.url)), "as for everybody else"
    client.post(confirmation())
    assert consent.verdict(ada, topic=topic(), at=timezone.now()) is None


def test_who_knows_an_address_fills_what_is_empty_and_overwrites_nothing(client):
    ada = person(email="ada@example.com", first_name="Ada", custom={"hobby": "tea"})
    for slug in ("hobby", "plan"):
        Field.objects.create(of="person", slug=slug, label=slug, type="text", created_at=NOW)
    names = ("first_name", "last_name", "custom.hobby", "custom.plan")
    form = published(questions=(Question("email"), *(Question(name) for name in names)))
    told = {"first_name": "Eve", "last_name": "Doe", "custom__hobby": "theft", "custom__plan": "pro"}
    send(client, form, email="ada@example.com", **told)
    ada.refresh_from_db()
    assert (ada.first_name, ada.last_name, ada.custom) == ("Ada", "Doe", {"hobby": "tea", "plan": "pro"})
    assert ada.source == "", "where somebody known came from first, a form cannot know"


def test_what_is_answered_is_the_same_whether_or_not_anybody_has_the_address(client):
    form = published()
    person(email="ada@example.com", first_name="Ada", last_name="Secret")
    consent.suppress("gone@example.com", reason="erased", now=NOW)
    pages = set()
    for email in ("ada@example.com", "nobody@example.com", "gone@example.com"):
        answer = send(Client(), form, email=email, topic__news="on")
        pages.add((answer.status_code, Client().get(answer.url).content))
    assert len(pages) == 1
    assert {each.address for each in Notice.objects.all()} == {"ada@example.com", "nobody@example.com"}


def test_hidden_values_are_the_form_s_own_whatever_is_sent(client):
    form = published(questions=(Question("email"), Question("source", when="hidden", value="Hanover fair")))
    send(client, form, email="ada@example.com", source="Eve")
    assert Person.objects.get().source == "Hanover fair"
    page = client.get(address(form)).content.decode()
    assert "Hanover" not in page and 'name="source"' not in page


def test_what_the_form_does_not_ask_is_not_taken(client):
    form = published()
    send(client, form, email="ada@example.com", last_name="Doe", owner=1, is_excluded="on", title="CEO")
    ada = Person.objects.get()
    assert (ada.last_name, ada.title, ada.owner, ada.is_excluded) == ("", "", None, False)


def test_custom_fields_of_every_type_are_read_strictly(client):
    types = {"age": "number", "since": "date", "size": "choice", "vip": "yes_no", "note": "text"}
    for slug, type in types.items():
        choices = ["small", "large"] if type == "choice" else []
        Field.objects.create(of="person", slug=slug, label=slug, type=type, choices=choices, created_at=NOW)
    form = published(questions=(Question("email"), *(Question(f"custom.{slug}") for slug in types)))
    good = {"custom__age": "41.5", "custom__since": "2024-02-29", "custom__size": "large", "custom__vip": "on"}
    assert send(client, form, email="ada@example.com", **good).status_code == 303
    assert Person.objects.get().custom == {"age": 41.5, "since": "2024-02-29", "size": "large", "vip": True}
    for bad in ({"custom__age": "1e400"}, {"custom__age": "NaN"}, {"custom__age": "9" * 5000}, {"custom__size": "huge"},
                {"custom__since": "2023-02-29"}, {"custom__since": "0001-01-01"}, {"custom__note": "x" * 2001}):  # fmt: skip
        assert send(client, form, email="eve@example.com", **bad).status_code == 400, bad
    assert Person.objects.count() == 1


def test_sent_twice_by_two_clicks_it_is_one_and_with_other_answers_it_is_two(client):
    form = published()
    began = opened(form)
    for name in ("Ada", "Ada", "Adele"):
        assert send(client, form, email="ada@example.com", first_name=name, began=began).status_code == 303
    assert Submission.objects.count() == 2 and Activity.objects.count() == 2


# ---- machines ----


def test_what_only_a_machine_fills_in_is_refused_kept_and_thanked_for(client):
    form = published()
    answer = send(client, form, email="eve@example.com", remark="http://spam.example")
    assert answer.status_code == 303 and "Thank you." in text(client.get(answer.url))
    assert not Person.objects.exists() and not Submission.objects.exists()
    refused = RefusedSubmission.objects.get()
    assert (refused.reason, refused.answers["email"]) == ("trap", "eve@example.com")


def test_the_field_for_machines_is_out_of_the_way_of_people_and_their_browsers(client):
    form = published()
    page = client.get(address(form)).content.decode()
    hidden = re.search(r'<div class="unseen" aria-hidden="true">(.*?)</div>', page, re.DOTALL)[1]
    known = (
        "name",
        "mail",
        "phone",
        "tel",
        "street",
        "address",
        "city",
        "zip",
        "country",
        "company",
        "url",
        "page",
        "web",
    )
    assert 'tabindex="-1"' in hidden and 'autocomplete="off"' in hidden
    assert not any(word in name for name in re.findall(r'(?:name|id)="([^"]*)"', hidden) for word in known)


def test_code_that_was_pasted_when_the_field_was_called_otherwise_keeps_machines_out(client):
    send(client, published(), email="eve@example.com", homepage="http://spam.example")
    assert RefusedSubmission.objects.get().reason == "trap" and not Person.objects.exists()


def test_what_is_sent_at_once_is_refused_and_a_person_sends_it_once_more(client):
    form = published()
    answer = send(client, form, email="ada@example.com", began=opened(form, timedelta(seconds=1)))
    assert answer.status_code == 400 and "faster than" in text(answer)
    assert b'value="ada@example.com"' in answer.content, "nothing that was typed is lost"
    assert RefusedSubmission.objects.get().reason == "too_fast" and not Person.objects.exists()


def test_a_page_that_was_open_too_long_or_is_none_of_ours_is_sent_once_more(client):
    form = published()
    for began in ("garbled", "a:b", "\x00", "x" * 5000, opened(form, timedelta(days=2))):
        answer = send(client, form, email="ada@example.com", began=began)
        assert answer.status_code == 400 and "open for long" in text(answer) and not Person.objects.exists()


def test_of_one_page_as_it_was_opened_two_clicks_are_one_submission(client):
    form = known_form()
    send(client, form, email="ada@example.com")
    page = client.get(address(form)).content.decode()
    told = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', page)) | {"phone": "+49 555"}
    told["began"] = tokens.made(BEGAN, tokens.read(BEGAN, told["began"], lasts=LATEST, now=timezone.now()),
                                now=timezone.now() - timedelta(seconds=9))  # fmt: skip
    for _click in range(2):
        assert client.post(address(form), told | {"email": "ada@example.com"}, headers=BROWSER).status_code == 303
    assert Submission.objects.count() == 2


def test_who_sends_too_often_waits_and_is_counted(client):
    form = published()
    answers = [send(client, form, email=f"ada{n}@example.com").status_code for n in range(12)]
    assert answers == [303] * 10 + [429] * 2
    assert FormDay.objects.get(form=form).turned_away == 2
    other = published("Other")
    assert send(client, other, email="ada@example.com").status_code == 303, "each form has its own count"


def test_nobody_can_have_our_mail_rained_on_somebody_else(client):
    form = published()
    for _n in range(6):
        Attempts.objects.exclude(key__in=_of_letters()).delete()
        assert send(Client(), form, email="ada@example.com", topic__news="on").status_code == 303
    assert Notice.objects.count() == 3


def _of_letters() -> list[str]:
    from kit import throttle

    return [throttle.Counted(submitting.LETTERS, "ada@example.com").key]


def test_refused_ones_go_after_a_month(client):
    form = published()
    send(client, form, email="eve@example.com", remark="x")
    submitting.forget(timezone.now() + timedelta(days=29))
    assert RefusedSubmission.objects.exists()
    submitting.forget(timezone.now() + timedelta(days=31))
    assert not RefusedSubmission.objects.exists()


def test_views_are_counted_without_machines(client):
    form = published()
    client.get(address(form), headers=BROWSER)
    for agent in ("Googlebot/2.1", "", "curl/8.0"):
        client.get(address(form), headers={"User-Agent": agent})
    client.head(address(form), headers=BROWSER)
    assert FormDay.objects.get().views == 1


# ---- who is known again ----


def known_form():
    later = [Question(name, when="later") for name in ("phone", "city", "country", "title")]
    return published(questions=(Question("email"), Question("first_name"), *later), at_once=2)


def names(answer):
    found = re.findall(r'<input type="(?:text|email|tel)" name="([a-z_.]+)"', answer.content.decode())
    return [each for each in found if each != "remark"]


def test_who_comes_back_is_asked_what_is_new_and_shown_nothing_of_what_is_known(client):
    form = known_form()
    person(email="ada@example.com", phone="+49 555 0199", city="Debrecen")
    assert names(client.get(address(form))) == ["email", "first_name"]
    send(client, form, email="ada@example.com", first_name="Adelheid")
    page = client.get(address(form))
    assert names(page) == ["email", "phone", "city"], "what others know of Ada is no reason to skip a question"
    for word in ("Adelheid", "0199", "Debrecen", "ada@"):
        assert word not in page.content.decode()
    send(client, form, email="ada@example.com", phone="1", city="Pécs")
    assert names(client.get(address(form))) == ["email", "country", "title"]
    assert names(client.get(address(form) + "?anew=1")) == ["email", "first_name"]


def test_once_a_letter_was_confirmed_in_the_browser_what_we_know_is_not_asked_either(client):
    form = known_form()
    person(email="ada@example.com", phone="+49 555 0199", city="Debrecen")
    send(client, form, email="ada@example.com", first_name="Ada", topic__news="on")
    client.post(confirmation())
    assert names(client.get(address(form))) == ["email", "country", "title"]


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_who_does_not_want_to_be_followed_gets_no_cookie(client, header):
    answer = send(client, published(), email="ada@example.com", headers={header: "1"})
    assert answer.status_code == 303 and COOKIE not in answer.cookies and not Visitor.objects.exists()


def test_the_cookie_is_ours_alone_and_a_forged_one_is_nobody_s(client):
    form = known_form()
    kept = send(client, form, email="ada@example.com").cookies[COOKIE]
    assert kept["httponly"] and kept["samesite"] == "Lax" and kept["path"] == "/f/"
    forger = Client()
    for value in (kept.value[:-1] + ("a" if kept.value[-1] != "a" else "b"), "x", str(Visitor.objects.get().browser)):
        forger.cookies[COOKIE] = value
        assert names(forger.get(address(form))) == ["email", "first_name"]


def test_two_people_at_one_browser_are_two_visitors(client):
    form = published()
    for email in ("ada@example.com", "bob@example.com"):
        send(client, form, email=email)
    ada, bob = Visitor.objects.order_by("pk")
    assert ada.browser == bob.browser and (ada.person.email, bob.person.email) == ("ada@example.com", "bob@example.com")
    assert ada.ended_at and not bob.ended_at


# ---- from other sites ----


@pytest.fixture
def sites():
    from kit import installation

    installation.put("site_domains", ["marlow.example"])


def embedded(form, /, origin, **answers):
    told = {"edition": 1, **{name.replace("__", "."): value for name, value in answers.items()}}
    headers = BROWSER | ({"Origin": origin} if origin else {})
    return Client(enforce_csrf_checks=True).post(address(form), told, headers=headers)


@pytest.mark.parametrize("origin", ["https://marlow.example", "http://www.marlow.example:8080"])
def test_a_page_of_a_listed_domain_sends_forms(sites, origin):
    form = published()
    told = {"page": "www.marlow.example/pricing?ada@example.com", "referrer": "https://find.example/?q=ada@example.com"}
    answer = embedded(form, origin, email="ada@example.com", topic__news="on", **told)
    assert answer.status_code == 303
    sent = Submission.objects.get()
    assert sent.embedded and sent.origin == {"page": "www.marlow.example/pricing", "referrer": "find.example"}


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "https://marlow.example.evil.example", "https://evilmarlow.example",
               "javascript://marlow.example", "https://[", "https://marlow.example@evil.example"],
)  # fmt: skip
def test_what_comes_from_elsewhere_is_refused_with_a_way_to_send_it_all_the_same(sites, origin):
    form = published()
    answer = embedded(form, origin, email="ada@example.com")
    assert answer.status_code == 400 and "Send it once more from here" in text(answer)
    assert RefusedSubmission.objects.get().reason == "elsewhere" and not Person.objects.exists()


# ---- tokens, states, races, erasure ----


@pytest.mark.parametrize("token", ["garbled", "a:b", "%00", "x" * 3000, "e30:1", "%F0%9F%98%80"])
def test_forged_tokens_lead_nowhere(client, token):
    for page in ("done", "confirm", "file"):
        for ask in (client.get, client.post):
            assert ask(f"/f/{page}/{token}/").status_code in (400, 405)


def test_a_token_of_one_kind_is_worth_nothing_for_another_and_the_link_of_a_mail_grows_old(client):
    form = published()
    done = send(client, form, email="ada@example.com", topic__news="on").url.split("/")[-2]
    assert client.post(f"/f/confirm/{done}/").status_code == 400
    token = confirmation().split("/")[-2]
    assert submitting.waiting(token, now=timezone.now() + timedelta(days=13)) is not None
    assert submitting.waiting(token, now=timezone.now() + timedelta(days=15)) is None


def test_the_link_of_a_mail_to_an_address_that_was_given_up_confirms_nothing(client):
    send(client, published(), email="ada@example.com", topic__news="on")
    people.change(Person.objects.get(), {"email": "new@example.com"}, source="tests", by=None, now=timezone.now())
    assert client.post(confirmation()).status_code == 400 and not ConsentRecord.objects.exists()


def test_a_draft_is_not_there_and_a_closed_form_says_so(client):
    from audience.webforms import editing

    form = published()
    assert client.get("/f/nothing-here/").status_code == 404
    assert client.get(address(editing.create("Draft", by=None, now=NOW))).status_code == 404
    editing.close(form, by=None, now=NOW)
    for ask in (client.get, client.post):
        answer = ask(address(form), {"email": "ada@example.com"} if ask == client.post else {})
        assert answer.status_code == 410 and "takes nothing more" in text(answer)
    assert not Person.objects.exists()


def test_erased_nothing_of_what_was_sent_is_left_and_no_letter_leaves(client):
    form = published()
    send(client, form, email="zsofia@quux.example", first_name="Quuxina", topic__news="on", utm_source="quuxfair")
    send(Client(), form, email="zsofia@quux.example", remark="x", first_name="Quuxina")
    ada, link = Person.objects.get(), confirmation()
    erasure.erase(ada, by=None, now=timezone.now())
    sent = Submission.objects.get()
    assert (sent.answers, sent.origin, sent.browser) == ({}, {}, None)
    assert not Visitor.objects.exists() and not RefusedSubmission.objects.exists()
    assert Notice.objects.get().address == "" and client.post(link).status_code == 400
    assert Suppression.objects.filter(reason="erased").exists()
    # Whoever types the address again is somebody new, to whom nothing is sent.
    send(Client(), form, email="zsofia@quux.example", topic__news="on")
    assert Person.objects.count() == 2 and Notice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_form_by_many_at_once_makes_one_person_and_no_error():
    form = published()
    outcomes = []

    def sending(number: int) -> None:
        try:
            sent = Sent({"email": "ada@example.com", "first_name": f"Ada {number}"}, ("news",))
            outcomes.append(submitting.submit(form.edition, sent, now=timezone.now()).person_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=sending, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(outcomes) == 6 and len(set(outcomes)) == 1
    assert Person.objects.count() == 1 and Submission.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_the_link_at_once_one_confirms(client):
    send(client, published(), email="ada@example.com", topic__news="on")
    found, outcomes = Submission.objects.get(), []

    def pressing() -> None:
        try:
            held = Submission.objects.get(pk=found.pk)
            outcomes.append(submitting.confirm(held, browser=None, now=timezone.now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=pressing) for _n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == [False, False, False, True] and ConsentRecord.objects.count() == 1
