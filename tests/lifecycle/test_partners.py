"""Partners apply by a form, are approved or declined, take their steps, are certified, and bring deals."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audience import live as engine
from audience.activity import activities
from audience.models import Activity, Person
from audience.subjects import accounts, erasure
from audience.webforms import submitting
from audience.webforms.submitting import Sent
from kit import jobs
from kit.models import AuditEntry, Notice, User
from lifecycle.editions import documents, versions
from lifecycle.models import Application, ChecklistItem, Membership, Programme
from lifecycle.partners import applications, certificates, checklist, outside, programmes, standing
from lifecycle.partners.programmes import Step
from tests.asking import Api, user
from tests.audience.webforms.making import published
from tests.factories import NOW, account, activity, days_ago, person

pytestmark = pytest.mark.django_db

STEPS = (Step("Sign the terms", 7, kind="terms_signed"), Step("Pass the training", 30, kind="partner_certified"),
         Step("Name a contact", 3, by_partner=False))  # fmt: skip


def programme(entry: Any = None, **given: Any) -> Programme:
    """The playbook of partners, live, with a form and three steps; with `entry` another condition to enter by."""
    playbook = documents.playbooks()["partner_programme"]
    version = versions.draft(playbook | ({"entry": entry, "cases": []} if entry else {}), by=None, now=days_ago(50))
    jobs.run(versions.publish(version, by=None, now=days_ago(50)).pk, days_ago(50))
    told = {"form": published(), "certified_months": 12, "steps": STEPS} | given
    return programmes.set_up(version.lifecycle, **told, by=None, now=days_ago(49))


def applied(made: Programme, email: str = "ann@acme.example") -> Application:
    """Somebody has sent the form, and it is taken in."""
    sent = Sent(answers={"email": email, "first_name": "Ann"})
    submitting.submit(made.form.edition, sent, now=days_ago(2))
    applications.take_in(days_ago(1))
    return Application.objects.get(person__email=email)


def stage_of(whose: Any, at: datetime = NOW) -> str:
    engine.run_all(at)
    newest = Membership.objects.filter(account=whose).order_by("-pass_number").first()
    return newest.stage.slug if newest and newest.stage else "nowhere"


def test_whoever_sends_the_form_waits_and_an_approval_moves_their_account_by_the_rules_of_the_lifecycle():
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    application = applied(made)
    assert (application.state, application.account) == ("waiting", acme), "the account that the address tells"
    assert stage_of(acme) == "applied"
    assert applications.take_in(NOW) == 0, "what is taken in is so once"
    assert applications.approve(application, acme, by=None, now=NOW)
    assert stage_of(acme) == "onboarding"
    assert Person.objects.get(email="ann@acme.example").account == acme
    due = dict(ChecklistItem.objects.filter(account=acme).values_list("step__name", "due_on"))
    assert due == {
        "Sign the terms": date(2025, 6, 22), "Pass the training": date(2025, 7, 15), "Name a contact": date(2025, 6, 18)
    }  # fmt: skip
    assert Notice.objects.filter(address="ann@acme.example", title="You are welcome as a partner").exists()
    assert AuditEntry.objects.get(action="partner.approve").after["account"] == acme.pk


def test_a_declined_one_leaves_by_its_rule_and_a_decision_can_be_taken_back():
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    application = applied(made)
    with pytest.raises(applications.Refused, match="Say why"):
        applications.decline(application, "  ", tell=False, by=None, now=NOW)
    assert applications.decline(application, "No sales people", tell=False, by=None, now=NOW)
    assert stage_of(acme) == "rejected"
    assert not Notice.objects.filter(kind=applications.NOTICE).exists(), "nobody was told"
    assert applications.reconsider(application, by=None, now=NOW)
    assert not applications.reconsider(application, by=None, now=NOW)
    declined = Activity.objects.filter(account=acme, kind__slug="application_declined")
    assert declined.filter(reversal_of=None).count() == 1 and declined.exclude(reversal_of=None).count() == 1
    assert applications.decline(application, "Really not", tell=True, by=None, now=NOW)
    assert declined.filter(reversal_of=None).count() == 2, "the second decision is told as well"
    assert Notice.objects.filter(kind=applications.NOTICE).count() == 1


def test_all_that_wait_of_one_applicant_are_decided_together_and_a_private_address_tells_no_account():
    made = programme()
    account(name="Mail", domain="gmail.com")
    first = applied(made, "ann@gmail.com")
    assert first.account is None
    submitting.submit(made.form.edition, Sent(answers={"email": "ann@gmail.com"}), now=days_ago(1))
    assert applications.take_in(NOW) == 1
    acme = account(name="Acme")
    assert applications.approve(first, acme, by=None, now=NOW)
    assert set(Application.objects.values_list("state", "account")) == {("approved", acme.pk)}
    assert stage_of(acme) == "onboarding", "that it applied is told once it is known which account it is"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told():
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    application = applied(made)
    boss = user()
    start, won = threading.Barrier(2), []

    def decide(yes: bool) -> None:
        mine = Application.objects.select_related("person", "programme", "account").get(pk=application.pk)
        start.wait(10)
        if yes:
            won.append(applications.approve(mine, acme, by=boss, now=NOW))
        else:
            won.append(applications.decline(mine, "No", tell=False, by=boss, now=NOW))
        connection.close()

    both = [threading.Thread(target=decide, args=(yes,)) for yes in (True, False)]
    for each in both:
        each.start()
    for each in both:
        each.join(20)
    assert sorted(won) == [False, True]
    told = Activity.objects.filter(account=acme, kind__slug__in=["application_approved", "application_declined"])
    assert told.count() == 1
    assert "has decided already" in applications.decided_meanwhile(application)


def test_a_step_is_done_by_hand_or_by_what_happens_and_can_be_opened_again():
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    applications.approve(applied(made), acme, by=None, now=days_ago(10))
    sign, train, _contact = checklist.of(acme).order_by("step__position")
    assert checklist.do(sign, by=None, now=NOW) and not checklist.do(sign, by=None, now=NOW)
    assert Activity.objects.filter(account=acme, kind__slug="terms_signed").count() == 1
    assert checklist.reopen(sign, by=None, now=NOW) and not checklist.reopen(sign, by=None, now=NOW)
    assert checklist.notice(NOW) == 0, "what was taken back does not count"
    activity(acme, days_ago(20), "partner_certified")  # before it was asked for
    assert checklist.notice(NOW) == 0
    activity(acme, days_ago(3), "partner_certified")
    assert checklist.notice(NOW) == 1
    train.refresh_from_db()
    assert (train.done_at, checklist.is_late(sign, date(2025, 6, 15))) == (days_ago(3), True)
    assert stage_of(acme) == "enabled"


def test_how_far_a_partner_is_stands_in_one_row():
    made = programme()
    acme, other = account(name="Acme"), account(name="Other")
    activity(acme, days_ago(40), "partner_application")
    activity(acme, days_ago(30), "application_approved")
    certificates.certify(acme, "Basics", person=None, on=date(2024, 6, 1), until=None, by=None, now=NOW)
    engine.run_all(NOW)
    told = standing.one(acme, now=NOW)
    assert (told.certified_until, told.is_certified) == (date(2025, 6, 1), False), "twelve months, by the programme"
    certificates.certify(acme, "Expert", person=None, on=date(2025, 6, 1), until=date(2026, 1, 1), by=None, now=NOW)
    activity(acme, days_ago(5), "deal_registered")
    activity(acme, days_ago(1), "deal_registered")
    checklist.begin(made, acme, now=days_ago(10))
    told = standing.one(acme, now=NOW)
    assert (told.applied_on, told.approved_on) == (date(2025, 5, 6), date(2025, 5, 16))
    assert (told.certified_until, told.is_certified) == (date(2026, 1, 1), True)
    assert (told.registered, told.first_deal_days) == (2, 25)
    assert (told.to_do, told.done, told.late) == (3, 0, 2)
    assert standing.of([other.pk], now=NOW)[other.pk].is_certified is False
    passed = Activity.objects.get(properties__certificate="Expert")
    activities.take_back(passed, by=None, now=NOW)
    assert standing.one(acme, now=NOW).is_certified is False
    assert [each["name"] for each in standing.certified(acme, now=NOW)] == ["Basics"]


def test_what_cannot_be_is_refused_in_words():
    made = programme()
    acme = account()
    with pytest.raises(Exception, match="It ends after it begins"):
        certificates.certify(acme, "X", person=None, on=date(2025, 6, 1), until=date(2025, 6, 1), by=None, now=NOW)
    with pytest.raises(Exception, match="It has not happened yet"):
        certificates.certify(acme, "X", person=None, on=date(2025, 6, 17), until=None, by=None, now=NOW)
    with pytest.raises(Exception, match="Say what is to be done"):
        programmes.set_up(made.lifecycle, form=None, certified_months=None, steps=[Step(" ", 1)], by=None, now=NOW)


def test_a_programme_is_changed_and_its_old_steps_stay_with_whoever_has_them(client):
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    applications.approve(applied(made), acme, by=None, now=days_ago(10))
    client.force_login(user())
    page = reverse("partner_programme", args=["partner_programme"])
    sign = made.steps.get(name="Sign the terms")
    rows = {"form": "newsletter", "certified_months": "6", "form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}
    rows |= {"form-0-pk": sign.pk, "form-0-place": 1, "form-0-name": "Sign", "form-0-who": "partner", "form-0-days": 5}
    rows |= {"form-1-place": 2, "form-1-name": "Meet", "form-1-who": "us", "form-1-days": 9}
    answer = client.post(page, rows)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    assert [(each.name, each.days, each.by_partner) for each in programmes.steps_of(made)] == [
        ("Sign", 5, True), ("Meet", 9, False)
    ]  # fmt: skip
    assert checklist.of(acme).count() == 3
    assert "Sign" in client.get(page).content.decode()
    assert client.post(page, rows | {"form-1-days": 99999}).status_code == 400
    assert client.get(reverse("partner_programme", args=["nothing"])).status_code == 404


def test_pages_tell_who_waits_decide_and_show_what_there_is_to_do(client):
    made = programme()
    boss = user()
    client.force_login(boss)
    application = applied(made)
    assert "1 partner application waits" in client.get(reverse("home")).content.decode()
    assert "ann@acme.example" in client.get(reverse("partner_applications") + "?state=waiting").content.decode()
    page = reverse("partner_application", args=[application.pk])
    assert "Approve" in client.get(page).content.decode()
    approve = reverse("partner_approve", args=[application.pk])
    assert client.post(approve, {"account": "", "new": ""}).status_code == 400
    assert client.post(approve, {"account": "", "new": "Acme"}).status_code == 302
    application.refresh_from_db()
    acme = application.account
    assert acme.name == "Acme" and stage_of(acme, timezone.now()) == "onboarding"
    profile = client.get(reverse("account", args=[acme.pk])).content.decode()
    assert "Sign the terms" in profile and "Add a certificate" in profile
    item = ChecklistItem.objects.get(step__name="Sign the terms")
    client.post(reverse("partner_step", args=[item.pk]))
    item.refresh_from_db()
    assert item.done_at is not None and item.done_by == boss
    certify = reverse("partner_certify", args=[acme.pk])
    assert client.get(certify).status_code == 200
    assert client.post(certify, {"name": "Basics", "on": "2025-06-01", "until": ""}).status_code == 302
    listed = client.get(reverse("partners")).content.decode()
    assert "Acme" in listed and "1 of 3" in listed
    assert "Acme" not in client.get(reverse("partners") + "?stage=partner_programme:mature").content.decode()
    again = client.post(reverse("partner_decline", args=[application.pk]), {"reason": "No"}, follow=True)
    assert "has decided already" in again.content.decode()
    client.post(reverse("partner_reconsider", args=[application.pk]))
    assert Application.objects.get().state == "waiting"
    client.post(reverse("partner_decline", args=[application.pk]), {"reason": "No", "tell": "on"})
    assert Application.objects.get().state == "declined"


def test_an_approved_partner_that_does_not_enter_has_its_steps_on_its_page_and_is_told_why(client):
    made = programme(entry={"field": "account.country", "op": "is", "value": "DE"})
    client.force_login(user())
    approve = reverse("partner_approve", args=[applied(made).pk])
    answer = client.post(approve, {"account": "", "new": "Acme"}, follow=True)
    acme = Application.objects.get().account
    why = "It does not enter “Partner programme”, because this does not hold of it: account&#x27;s country is “DE”."
    told = [str(each) for each in answer.context["messages"]]
    assert unescape(why) in told
    assert stage_of(acme, timezone.now()) == "nowhere"
    page = client.get(reverse("account", args=[acme.pk])).content.decode()
    assert why in page and "In no lifecycle yet" in page and "Sign the terms" in page
    client.post(reverse("partner_step", args=[ChecklistItem.objects.get(step__name="Sign the terms").pk]))
    assert checklist.of(acme).filter(done_at=None).count() == 2
    accounts.change(acme, {"country": "DE"}, source="by hand", by=None, now=timezone.now())
    assert stage_of(acme, timezone.now()) != "nowhere"
    page = client.get(reverse("account", args=[acme.pk])).content.decode()
    assert "It does not enter" not in page and "Sign the terms" in page


def test_whoever_was_approved_for_a_programme_that_takes_nobody_in_is_told_so(client):
    made = programme()
    acme = account(name="Acme", domain="acme.example")
    applications.approve(applied(made), acme, by=None, now=NOW)
    assert outside.of(acme, now=NOW) == [], "it enters within a minute"
    version = made.lifecycle.versions.get()
    version.stopped_rules.create(stopped_at=NOW, because="It took too long")
    assert "nobody does: its entry condition stands still" in outside.of(acme, now=NOW)[0].why
    made.lifecycle.versions.update(state="retired")
    client.force_login(user())
    page = client.get(reverse("account", args=[acme.pk])).content.decode()
    assert "because no version of that is live" in page and "Sign the terms" in page


def test_a_program_decides_and_ticks_steps():
    made = programme()
    application = applied(made)
    api = Api(user(), "lifecycles:read", "lifecycles:write")
    [row] = api.pages("/partner-applications/?state=waiting")
    assert (row["id"], row["answers"]["email"]) == (application.pk, "ann@acme.example")
    api.refused("post", f"/partner-applications/{application.pk}/approve/", {}, 400, "required")
    told = api.post(f"/partner-applications/{application.pk}/approve/", {"new": "Acme"})
    assert told["state"] == "approved"
    api.refused("post", f"/partner-applications/{application.pk}/decline/", {"reason": "No"}, 409, "decided")
    steps = api.pages(f"/partner-steps/?account={told['account']}&is_open=true")
    assert [each["step"] for each in steps] == [each.name for each in STEPS]
    assert api.post(f"/partner-steps/{steps[0]['id']}/done/")["done_at"]
    assert api.post(f"/partner-steps/{steps[0]['id']}/reopen/")["done_at"] is None
    assert api.post(f"/partner-applications/{application.pk}/reconsider/")["state"] == "waiting"


def test_whoever_is_erased_asks_for_nothing_any_more_and_salespeople_see_their_own(client):
    made = programme()
    application = applied(made)
    client.force_login(user(User.Role.SALES))
    assert client.get(reverse("partner_application", args=[application.pk])).status_code == 404
    assert "ann@acme" not in client.get(reverse("partner_applications")).content.decode()
    erasure.erase(application.person, by=None, now=NOW)
    assert Application.objects.get().state == "declined"
    assert not applications.waiting().exists()
    assert person(email="ann@acme.example").pk != application.person_id


def test_a_day_after_approval_is_a_local_day():
    made = programme()
    acme = account()
    late = NOW.replace(hour=23, minute=30)  # already the sixteenth in Berlin
    assert checklist.begin(made, acme, now=late) == 3
    assert checklist.begin(made, acme, now=late + timedelta(hours=1)) == 0
    assert set(checklist.of(acme).values_list("due_on", flat=True)) >= {date(2025, 6, 22)}
