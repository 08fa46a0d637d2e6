"""The pages of hand-offs: the queue, one of them and its answers, the link of a mail, routing, notices, absence."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import letters
from campaigns.models import Message
from campaigns.sending import asking
from kit import installation, notices
from kit.models import Notice, Team, User
from lifecycle.engine import live
from lifecycle.handoffs import answering, links, routing, turning
from lifecycle.models import Handoff, Lifecycle, Membership, RoutingRule
from reporting import filling
from tests.campaigns import making as sending
from tests.factories import account, person
from tests.lifecycle.handoffs.making import handed, in_turns, seller, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def made():
    return version()


@pytest.fixture
def ina():
    return seller("Ina", Team.objects.create(name="North"))


@pytest.fixture
def browser(client, ina):
    client.force_login(ina)
    return client


def said(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


def post(client, handoff, answer, **told):
    return client.post(reverse(f"handoff_{answer}", args=[handoff.pk]), told, follow=True)


def test_the_queue_shows_ones_own_that_wait_the_most_urgent_first_and_those_of_ones_team(browser, made, ina, now):
    mate = seller("Mate", ina.team)
    late = handed(made, at=now - timedelta(days=10), owner=ina, first_name="Late")
    fresh = handed(made, at=now, owner=ina, first_name="Fresh", account=account(name="Acme Rail"))
    handed(made, at=now, owner=mate, first_name="Mates")
    handed(made, at=now, owner=seller("Sue"), first_name="Sues")
    page = text_of(browser.get(reverse("handoffs")))
    assert page.index("Late Okafor") < page.index("Fresh Okafor") and "Acme Rail" in page and "Owns them." in page
    assert "Mates" not in page and "late" in page
    everybodys = text_of(browser.get(reverse("handoffs") + "?whose=all"))
    assert "Mates Okafor" in everybodys and "Sues" not in everybodys
    assert fresh.get_absolute_url() in everybodys and late.get_absolute_url() in everybodys


def test_the_queue_takes_as_many_statements_for_many_as_for_one(browser, made, ina, now, django_assert_num_queries):
    handed(made, at=now, owner=ina)
    browser.get(reverse("handoffs"))
    with django_assert_num_queries(15):
        browser.get(reverse("handoffs"))
    for _each in range(4):
        handed(made, at=now, owner=ina, account=account(name="Acme"))
    with django_assert_num_queries(15):
        browser.get(reverse("handoffs"))


def test_accepting_leads_to_the_next_and_whoever_is_second_is_told_who_was_faster(browser, client, made, ina, now):
    first, second = (handed(made, at=now - timedelta(hours=n), owner=ina) for n in (2, 1))
    assert post(browser, first, "accept").redirect_chain == [(second.get_absolute_url(), 302)]
    again = post(browser, first, "accept")
    assert said(again).startswith("Somebody was faster: accepted by ina@example.com ")
    assert Membership.objects.get(pk=first.membership_id).stage.slug == "sal"


def test_a_rejection_needs_a_reason_of_the_list_and_keeps_what_was_typed(browser, made, ina, now):
    ada = handed(made, at=now, owner=ina)
    refused = post(browser, ada, "reject", reason="Ugly", words="Really")
    assert refused.status_code == 400 and "Really" in text_of(refused)
    assert said(post(browser, ada, "reject", reason="No budget")) == "Rejected: Ada Okafor."


@pytest.mark.parametrize("until", ["", "2020-01-01", "9999-12-31", "tomorrow", "\x00", "1" * 400])
def test_a_day_that_is_none_is_refused_in_words(browser, made, ina, now, until):
    ada = handed(made, at=now, owner=ina)
    answer = post(browser, ada, "not_now", until=until)
    assert answer.status_code == 400 and "field__error" in answer.content.decode()
    assert Handoff.objects.get().state == "offered"


def test_not_now_and_passing_on_from_the_page(browser, made, ina, now):
    ben, cem = handed(made, at=now, owner=ina), handed(made, at=now, owner=ina)
    day = (timezone.localdate() + timedelta(days=30)).isoformat()
    assert "comes back on that day" in said(post(browser, ben, "not_now", until=day))
    mate = seller("Mate", ina.team)
    assert said(post(browser, cem, "pass_on", to=mate.pk)) == "Passed on: Ada Okafor."
    assert Handoff.objects.get(state="offered").user == mate
    assert post(browser, cem, "pass_on", to=10**20).status_code == 400


def test_somebody_elses_is_not_there_and_a_viewer_sees_but_answers_nothing(browser, client, made, now):
    sues = handed(made, at=now, owner=seller("Sue"))
    assert browser.get(sues.get_absolute_url()).status_code == 404
    assert post(browser, sues, "accept").status_code == 404
    client.force_login(User.objects.create_user("vic@example.com", "x", role=User.Role.VIEWER))
    assert "Your answer" not in text_of(client.get(sues.get_absolute_url()))
    assert post(client, sues, "accept").status_code == 403
    client.force_login(User.objects.create_user("boss@example.com", "x", role=User.Role.ADMIN))
    assert said(post(client, sues, "accept")) == "Accepted: Ada Okafor."


def test_the_page_says_why_now_and_why_to_whom_but_leads_to_no_profile_that_is_hidden(browser, made, ina, now):
    in_turns(made, ina.team)
    ada = handed(made, at=now)
    page = text_of(browser.get(ada.get_absolute_url()))
    assert "Next in turn in North." in page and "Asked for a demo" in page and "What happened last" in page
    assert "Whole profile" not in page
    ada.membership.person.owner = ina
    ada.membership.person.save()
    assert "Whole profile" in text_of(browser.get(ada.get_absolute_url()))


def test_many_are_accepted_or_rejected_at_once(browser, made, ina, now):
    three = [handed(made, at=now, owner=ina) for _each in range(3)]
    here = reverse("handoffs")
    told = {"action": "reject", "id": [three[0].pk], "reject-reason": "No need"}
    assert said(browser.post(here, told, follow=True)) == "1 was rejected."
    assert "Choose a reason" in said(browser.post(here, {"action": "reject", "id": [three[1].pk]}, follow=True))
    wrong = {"action": "reject", "id": [three[1].pk], "reject-reason": "Ugly"}
    assert "Choose a reason" in said(browser.post(here, wrong, follow=True))
    told = {"action": "accept", "id": [each.pk for each in three]}
    assert "2 were accepted." in said(browser.post(here, told, follow=True))


# ---- the link ----


@pytest.fixture
def mailed(made, ina, now):
    """A hand-off, and the link in the mail about it."""
    ada = handed(made, at=now, owner=ina, account=account(name="Acme Rail"), email="ada@acme.example")
    notice = Notice.objects.get(user=ina)
    return ada, notices.mail_of(notice, now).link.removeprefix(installation.address())


def test_the_mail_has_the_link_and_no_row_keeps_it(made, ina, now):
    sending.sender()
    handed(made, at=now, owner=ina)
    assert asking.notify(now) == 1
    message = Message.objects.get()
    raw = letters.write([message.pk], now)[message.pk].raw.decode()
    assert "Ada Okafor" in raw and "/hand-offs/link/" in raw
    assert not Notice.objects.filter(link__contains="/link/").exists()


@pytest.mark.parametrize(
    ("own", "ahead", "zone"), [("", 9, "JST"), ("America/Phoenix", -7, "MST"), ("Asia/Singapore", 8, "UTC+08")]
)
def test_notice_mail_and_link_say_when_it_is_due_in_the_zone_of_who_reads(client, made, ina, now, own, ahead, zone):
    installation.put("zone", "Asia/Tokyo")
    User.objects.filter(pk=ina.pk).update(zone=own)
    sending.sender()
    with timezone.override(None):  # as in a worker, which has no reader
        ada = handed(made, at=now, owner=ina)
        told = f"{ada.due_at + timedelta(hours=ahead):%H:%M} {zone}"
        notice = Notice.objects.get(user=ina)
        assert told in notice.body
        assert asking.notify(now) == 1
        assert told in letters.write([message.pk for message in Message.objects.all()], now).popitem()[1].raw.decode()
        link = notices.mail_of(notice, now).link.removeprefix(installation.address())
        assert told in text_of(client.get(link))
        for place in ("Acme", "Globex"):
            handed(made, at=now, owner=ina, turn=place == "Globex", account=account(name=place))
        lines = notices.mail_of(Notice.objects.get(user=ina, subject_id=None), now).lines
        assert len(lines) == 3 and all(told in each for each in lines)


def test_a_look_answers_nothing_and_says_no_more_than_the_mail(client, mailed):
    ada, link = mailed
    for ask in (client.get, client.head):
        answer = ask(link)
        assert answer.status_code == 200 and answer["Cache-Control"].startswith("max-age=0")
    page = text_of(client.get(link))
    assert "Ada Okafor, Acme Rail" in page and "ada@acme.example" not in page
    ada.refresh_from_db()
    assert ada.state == "offered"


@pytest.mark.parametrize(
    ("answer", "told", "state"),
    [("accept", {}, "accepted"), ("reject", {"reason": "No budget"}, "rejected"),
     ("not_now", {"until": "DAY"}, "not_now")],
)  # fmt: skip
def test_the_link_answers_once_signed_out_as_the_user_it_was_sent_to(client, mailed, ina, answer, told, state):
    ada, link = mailed
    day = (timezone.localdate() + timedelta(days=9)).isoformat()
    sent = {"answer": answer} | {name: day if value == "DAY" else value for name, value in told.items()}
    assert client.post(link, sent).status_code == 200
    ada.refresh_from_db()
    assert (ada.state, ada.answered_by, ada.route) == (state, ina, "link")
    assert "Nothing is left to answer" in text_of(client.post(link, {"answer": "accept"}))
    assert "Nothing is left to answer" in text_of(client.get(link))


@pytest.mark.parametrize("sent", [{}, {"answer": "shout"}, {"answer": "reject", "reason": "Ugly"},
                                  {"answer": "not_now", "until": "x"}, {"answer": "reject", "reason": "\x00"},
                                  {"answer": "reject", "reason": "No need", "words": "\x00"}])  # fmt: skip
def test_a_press_that_says_nothing_is_answered_in_words(client, mailed, sent):
    ada, link = mailed
    assert client.post(link, sent).status_code == 400
    ada.refresh_from_db()
    assert ada.state == "offered"


def test_a_link_is_good_for_a_week_for_one_user_and_ends_with_the_hand_off(client, mailed, ina, made, now):
    ada, link = mailed
    old = links.address(ada, ina, now - timedelta(days=8)).removeprefix(installation.address())
    for bad in (old, link[:-3] + "xx/", reverse("handoff_link", args=["garbled"])):
        assert client.get(bad).status_code == 400 and client.post(bad, {"answer": "accept"}).status_code == 400
    answering.pass_on(answering.one(ada), seller("Bob"), answering.Saying(ina, "page", now))
    assert "Nothing is left to answer" in text_of(client.post(link, {"answer": "accept"}))
    fresh = handed(made, at=now, owner=ina)
    link = links.address(fresh, ina, now).removeprefix(installation.address())
    User.objects.filter(pk=ina.pk).update(generation=5)
    assert client.get(link).status_code == 400


# ---- routing ----


def test_rules_are_added_changed_moved_and_removed_on_their_page(client, made, ina):
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    here, slug = reverse("routing"), made.lifecycle.slug
    assert "Whoever has an open deal with them" in text_of(client.get(here))
    new = reverse("routing_rule_new", args=[slug])
    refused = client.post(new, {"kind": "team", "condition": "{}"})
    assert refused.status_code == 400 and "Choose one." in text_of(refused)
    germany = '{"field": "person.country", "op": "is", "value": "DE"}'
    client.post(new, {"kind": "team", "team": ina.team_id, "condition": germany})
    assert [each.kind for each in routing.rules_of(made.lifecycle)] == [
        "deal_owner", "account_owner", "person_owner", "team"
    ]  # fmt: skip
    rule = RoutingRule.objects.get(kind="team")
    client.post(reverse("routing_rule_move", args=[rule.pk]), {"to": "up"})
    client.post(reverse("routing_rule", args=[rule.pk]), {"kind": "user", "user": ina.pk, "condition": germany})
    rule.refresh_from_db()
    assert (rule.position, rule.kind, rule.user, rule.team) == (3, "user", ina, None)
    page = text_of(client.get(here))
    assert "For: country is “DE”" in page
    client.post(reverse("routing_rule_remove", args=[rule.pk]))
    assert RoutingRule.objects.count() == 3


def test_reasons_are_a_list_of_the_lifecycle(client, made):
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    here = reverse("routing_reasons", args=[made.lifecycle.slug])
    client.post(here, {"reasons": "Too small\n\n Competitor \nToo small"})
    assert Lifecycle.objects.get().reject_reasons == ["Too small", "Competitor"]
    assert client.post(here, {"reasons": "x" * 200}).status_code == 400


def test_whoever_waits_without_a_hand_off_is_handed_over_by_a_press(client, made, now):
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    handed(made, at=now)
    stage = made.stages.get(slug="mql")
    someone = person(first_name="Cleo")
    Membership.objects.create(
        lifecycle=made.lifecycle, version=made, person=someone, stage=stage, seq=1, entered_at=now, due_at=now
    )
    assert "1 stands in “MQL”" in text_of(client.get(reverse("routing")))
    answer = client.post(reverse("routing_offer", args=[made.lifecycle.slug]), {"stage": "mql"}, follow=True)
    assert said(answer) == "1 was handed over." and Handoff.objects.count() == 2


# ---- notices and absence ----


def test_the_bell_counts_what_is_new_and_a_notice_leads_to_what_it_tells(browser, made, ina, now):
    ada = handed(made, at=now, owner=ina)
    assert "Notices, 1 new" in text_of(browser.get(reverse("notices")))
    notice = Notice.objects.get(user=ina)
    opened = browser.post(reverse("notice_open", args=[notice.pk]))
    assert opened["Location"] == ada.get_absolute_url()
    assert "Notices, 1 new" not in text_of(browser.get(reverse("home")))
    assert browser.post(reverse("notice_open", args=[10**15])).status_code == 404


def test_each_kind_is_told_here_by_mail_both_ways_or_not_at_all(browser, made, ina, now):
    every = {f"{way}:{each.name}": "on" for each in notices.kinds() for way in ("app", "mail")}
    without = {name: on for name, on in every.items() if name != "mail:handoff.handed"}
    browser.post(reverse("notices_wish"), without)
    handed(made, at=now, owner=ina)
    told = Notice.objects.get(user=ina)
    sending.sender()
    assert (told.in_app, told.by_mail, asking.notify(now)) == (True, False, 0)
    browser.post(reverse("notices_wish"), {name: on for name, on in without.items() if "handed" not in name})
    handed(made, at=now, owner=ina)
    assert Notice.objects.filter(user=ina).count() == 1
    browser.post(reverse("notices_read"))
    assert notices.unread(ina) == 0


def test_an_absence_is_set_by_oneself_with_a_deputy(browser, ina):
    mate = seller("Mate", ina.team)
    here = reverse("profile_away")
    browser.post(here, {"first": "2025-07-01", "last": "2025-07-14", "deputy": mate.pk})
    ina.refresh_from_db()
    assert (str(ina.out_from), str(ina.out_until), ina.deputy) == ("2025-07-01", "2025-07-14", mate)
    wrong = browser.post(here, {"first": "2025-07-14", "last": "2025-07-01"})
    assert wrong.status_code == 400 and "before the first" in text_of(wrong)
    assert browser.post(here, {"deputy": ina.pk}).status_code == 400
    browser.post(here, {})
    ina.refresh_from_db()
    assert (ina.out_until, ina.deputy) == (None, None)


def test_rules_that_stop_are_told_to_administrators_once(client, made):
    boss = User.objects.create_user("boss@example.com", "x", role=User.Role.ADMIN)
    for _twice in range(2):
        live.stop(made, "the field is gone", timezone.now())
        made.refresh_from_db()
    client.force_login(boss)
    page = text_of(client.get(reverse("notices")))
    assert "The rules of “Handing v1” stand still" in page and Notice.objects.count() == 1


def test_the_home_page_and_ones_work_show_what_waits(browser, made, ina, now):
    handed(made, at=now - timedelta(days=10), owner=ina)
    turning.turn(now)
    for place in ("home", "work"):
        page = text_of(browser.get(reverse(place)))
        assert re.search(r'data-metric="handoffs.waiting">1 waits for you', page), place
        assert "1 missed" in page


def test_the_report_counts_the_offers_by_receiver_and_each_number_opens_its_list(browser, made, ina, now):
    first, second = (handed(made, at=now, owner=ina) for _each in range(2))
    answering.reject(answering.one(first), "No need", answering.Saying(ina, "page", now))
    third = handed(made, at=now - timedelta(days=9), owner=ina)  # waits, though it was due
    fourth = handed(made, at=now - timedelta(days=8), owner=ina)  # and this one was accepted too late
    answering.accept(answering.one(fourth), answering.Saying(ina, "page", now))
    turning.turn(now)
    filling.fill(made.lifecycle, now=now)
    page = browser.get(reverse("report_handoffs") + "?window=all").content.decode()
    lines = re.search(r'id="receivers".*?</section>', page, re.DOTALL)
    assert lines is not None and "Ina" in lines[0] and "North" in lines[0]
    doors = re.findall(r'href="(/hand-offs/[^"]+)"[^>]*data-count="(\d+)"', lines[0])
    assert [int(count) for _url, count in doors] == [4, 1, 1, 2, 1, 2, 1]
    # offers, accepted, rejected, waiting; in time, missed, past due
    for url, count in doors:
        listed = text_of(browser.get(url.replace("&amp;", "&")))
        assert f"{count} hand-off" in listed, url
    assert second.is_open and third.is_open
