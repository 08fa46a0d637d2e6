"""Pages of segments: list, new, one, members, history, edit, delete, from a list, and why somebody is in or out."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from audience import live, segments
from audience.models import Segment, SegmentMember
from audience.subjects import people
from kit.models import User
from kit.sql import sql
from tests.factories import account, activity, person

pytestmark = pytest.mark.django_db

FROM_GERMANY = {"field": "person.country", "op": "is", "value": "DE"}


@pytest.fixture
def ada(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    return client


def made(label="Germans", condition=FROM_GERMANY, of="person") -> Segment:
    return segments.create(label, of=of, condition=condition, by=None, now=timezone.now())


def text(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def figure(answer, metric: str) -> str:
    page = text(answer)
    return page.split(f'data-metric="{metric}"')[1].split(">", 1)[1].split("<")[0].strip()


def test_an_empty_installation_says_what_segments_are_for(ada):
    page = text(ada.get("/segments/"))
    assert "No segments yet" in page and "/segments/new/" in page


def test_the_list_shows_each_with_its_size_and_sentence(ada, django_assert_max_num_queries):
    person(country="DE"), person(country="DE"), person(country="FR")
    made()
    for number in range(5):
        made(f"More {number}")
    with django_assert_max_num_queries(30):
        page = ada.get("/segments/?sort=-size")
    assert figure(page, "segment.size") == "2"
    assert "country is “DE”" in text(page)


def test_a_segment_is_made_in_the_builders_form_and_opens_with_its_members(ada):
    ada_lovelace = person(country="DE", first_name="Ada", last_name="Lovelace")
    person(country="FR", first_name="Bob")
    answer = ada.post(
        "/segments/new/", {"name": "Germans", "condition": json.dumps({"all": [FROM_GERMANY]})}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/segments/germans/"
    page = text(answer)
    assert "is kept: 1 person" in page and figure(answer, "segment.size") == "1"
    assert "country is “DE”" in page and ada_lovelace.get_absolute_url() in page
    listed = text(ada.get("/segments/germans/members/"))
    assert "Ada Lovelace" in listed and "Bob" not in listed and "In it since" in listed


@pytest.mark.parametrize(
    "condition", ["{}", "{", '{"field": "person.contry", "op": "is", "value": "x"}', '{"all": [{"all": []}]}', ""]
)
def test_what_is_no_condition_is_refused_on_the_form_with_what_was_typed(ada, condition):
    answer = ada.post("/segments/new/", {"name": "X", "condition": condition})
    assert answer.status_code == 400 and not Segment.objects.exists()
    assert "field__error" in answer.content.decode()


def test_segments_of_accounts_have_accounts_as_members(ada):
    account(name="Acme Rail", industry="Rail")
    condition = json.dumps({"field": "account.industry", "op": "is", "value": "rail"})
    assert "of=account" in text(ada.get("/segments/new/?of=account"))
    answer = ada.post("/segments/new/?of=account", {"name": "Rail", "condition": condition}, follow=True)
    assert "1 account" in text(answer)
    assert "Acme Rail" in text(ada.get("/segments/rail/members/"))
    assert "Acme Rail" in ada.get("/segments/rail/members/?export=csv").getvalue().decode()


def test_the_count_while_editing_equals_the_list_after_keeping(ada):
    for number in range(7):
        who = person(country="DE" if number % 2 else "FR")
        for _day in range(number):
            activity(who, timezone.now() - timedelta(days=1))
    condition = {"any": [FROM_GERMANY, {"field": "activity.count", "days": 30, "op": "at_least", "value": 4}]}
    told = ada.post("/conditions/check/?of=person", json.dumps(condition), content_type="application/json").json()
    answer = ada.post("/segments/new/", {"name": "Both", "condition": json.dumps(condition)}, follow=True)
    assert figure(answer, "segment.size") == str(told["count"]) == "5"
    assert figure(ada.get("/segments/both/members/"), "list.total") == "5 people"


def test_editing_changes_the_members_at_once(ada):
    person(country="DE"), person(country="FR"), person(country="FR")
    made()
    assert "country is “DE”" in text(ada.get("/segments/germans/edit/"))
    french = json.dumps({"field": "person.country", "op": "is", "value": "FR"})
    answer = ada.post("/segments/germans/edit/", {"name": "French", "condition": french}, follow=True)
    assert figure(answer, "segment.size") == "2" and "French" in text(answer)
    refused = ada.post(
        "/segments/germans/edit/",
        {"name": "French", "condition": '{"field": "segment.germans", "op": "is", "value": true}'},
    )
    assert refused.status_code == 400 and "A segment cannot be made of itself" in refused.content.decode()


def test_a_past_day_is_told_and_leads_to_its_list(ada):
    who = person(country="DE", first_name="Ada", first_seen_at=timezone.now() - timedelta(days=90))
    people.change(who, {"country": "FR"}, source="tests", by=None, now=timezone.now() - timedelta(days=5))
    made()
    day = (timezone.localdate() - timedelta(days=30)).isoformat()
    answer = ada.get(f"/segments/germans/?as_of={day}")
    assert figure(answer, "segment.as_of") == "1 person" and figure(answer, "segment.size") == "0"
    assert "Ada" in text(ada.get(f"/segments/germans/members/?as_of={day}"))
    part = ada.get(f"/segments/germans/?as_of={day}", headers={"HX-Request": "true", "HX-Target": "as-of"})
    assert text(part).strip().startswith('<div id="as-of"')
    then = text(ada.get(f"/segments/germans/?as_of={day}&as_known=then"))
    assert "as it was known then" in then and "1 person" in then
    assert "Back to now" in text(ada.get(f"/segments/germans/members/?as_of={day}&as_known=then"))
    odd_days = {
        "yesterday": "is no day", "2025-02-30": "is no day", "0001-01-01": "days begin with",
        "9999-12-31": "has not begun yet", "\x002025": "is no day",
    }  # fmt: skip
    for odd, said in odd_days.items():
        assert said in text(ada.get("/segments/germans/", {"as_of": odd}))
        assert ada.get("/segments/germans/members/", {"as_of": odd}).status_code == 200


def test_history_tells_who_entered_and_left_and_how_many_each_day(ada):
    now = timezone.now()
    stayer, leaver = person(country="DE", first_name="Stay"), person(country="DE", first_name="Leave")
    germans = made()
    SegmentMember.objects.update(entered_at=now - timedelta(days=3))
    SegmentMember.objects.filter(subject_id=leaver.pk).update(left_at=now - timedelta(days=1))
    page = text(ada.get("/segments/germans/history/"))
    assert "Stay" in page and "Leave" in page and "Entered: 2. Left: 1." in page
    today = timezone.localdate()
    first, last = (today - timedelta(days=2)).isoformat(), today.isoformat()
    narrowed = text(ada.get(f"/segments/germans/history/?first={first}&last={last}"))
    assert "Leave" in narrowed and "Stay" not in narrowed and "Entered: 0. Left: 1." in narrowed
    assert "Stay" not in text(ada.get("/segments/germans/history/?what=left"))
    days = {each.day: each for each in segments_days(germans, today)}
    assert [days[today - timedelta(days=ago)].size for ago in (0, 1, 2, 3, 4)] == [1, 1, 2, 2, 0]
    assert ada.get("/segments/germans/history/?first=9999-12-31&last=x").status_code == 200
    assert "Stay" in ada.get("/segments/germans/history/?export=csv").getvalue().decode() and stayer


def segments_days(segment, today):
    from audience.segments import stays

    return stays.days(segment, today - timedelta(days=5), today)


def test_a_list_with_its_filters_becomes_a_fixed_list(ada):
    for number in range(3):
        person(country="DE", first_name=f"P{number}")
    person(country="FR")
    shown = text(ada.get("/people/?country=DE"))
    assert "/segments/of-list/person/?country=DE" in shown
    form = ada.get("/segments/of-list/person/?country=DE")
    assert figure(form, "segment.of_list") == "3 people"
    answer = ada.post("/segments/of-list/person/?country=DE&sort=-pk", {"name": "Fair"}, follow=True)
    assert figure(answer, "segment.size") == "3" and "Fixed list" in text(answer)
    assert Segment.objects.get().kind == "static"
    nobody = ada.post("/segments/of-list/person/?country=%28empty%29&q=zzz", {"name": "None"})
    assert nobody.status_code == 400 and "nothing to keep" in nobody.content.decode()
    assert ada.get("/segments/of-list/deal/").status_code == 404
    assert "Fair" in text(ada.get("/segments/fair/edit/"))
    assert ada.post("/segments/fair/edit/", {"name": "Fair 2026"}).url == "/segments/fair/"


def test_chosen_people_are_added_to_a_fixed_list_and_taken_out_again_each_with_its_undo(ada):
    first, second = person(first_name="One"), person(first_name="Two")
    fair = segments.create_list(
        "Fair", of="person", members=sql("SELECT {}::bigint AS subject_id", first.pk), by=None, now=timezone.now()
    )
    account_list = segments.create_list(
        "Firms", of="account", members=sql("SELECT 1::bigint AS subject_id"), by=None, now=timezone.now()
    )

    def inside():
        return set(SegmentMember.objects.filter(segment=fair, left_at=None).values_list("subject_id", flat=True))

    answer = ada.post(
        "/people/", {"action": "to_list", "id": [first.pk, second.pk], "to_list-slug": "fair"}, follow=True
    )
    assert "1 was added to “Fair”" in text(answer) and inside() == {first.pk, second.pk}
    answer = ada.post(
        "/segments/fair/members/", {"action": "from_list", "id": [first.pk], "from_list-slug": "fair"}, follow=True
    )
    assert "1 was taken out of “Fair”" in text(answer) and inside() == {second.pk}
    back = text(answer).split('class="note__undo" method="post" action="')[1].split('"')[0]
    ada.post(back)
    assert inside() == {first.pk, second.pk}
    refused = ada.post(
        "/people/", {"action": "to_list", "id": [first.pk], "to_list-slug": account_list.slug}, follow=True
    )
    assert "Choose a list" in text(refused)


def test_who_may_only_look_sees_no_button_that_would_be_refused(client):
    client.force_login(User.objects.create_user("eve@example.com", "x", role=User.Role.VIEWER))
    person(country="DE")
    made()
    for url in ("/segments/", "/segments/germans/", "/people/"):
        page = text(client.get(url))
        assert "/edit/" not in page and "/segments/new/" not in page and "/segments/of-list/" not in page
    assert client.get("/segments/new/").status_code == 403


def test_deleting_asks_and_is_refused_while_in_use_with_links_to_the_users(ada):
    made()
    made("Others", {"not": {"field": "segment.germans", "op": "is", "value": True}})
    page = text(ada.get("/segments/germans/delete/"))
    assert "in use" in page and '<a href="/segments/others/">Others</a>' in page and "Delete the segment" not in page
    ada.post("/segments/germans/delete/")
    assert Segment.objects.count() == 2
    assert "Delete the segment" in text(ada.get("/segments/others/delete/"))
    ada.post("/segments/others/delete/")
    ada.post("/segments/germans/delete/")
    assert not Segment.objects.exists()


def test_a_failure_and_a_drop_are_told_on_the_page_and_answered_there(ada):
    many = [person(country="DE") for _ in range(40)]
    germans = made()
    type(many[0]).objects.filter(pk__in=[each.pk for each in many[:30]]).update(country="")
    assert ada.post("/segments/germans/refresh/").status_code == 302
    page = text(ada.get("/segments/germans/"))
    assert "30 of 40 would leave at once" in page
    answer = ada.post("/segments/germans/let-leave/", follow=True)
    assert "Left: 30 people." in text(answer) and figure(answer, "segment.size") == "10"
    Segment.objects.filter(pk=germans.pk).update(condition={"field": "person.custom.gone", "op": "is", "value": "x"})
    live.run_all(timezone.now())
    ada.post("/segments/germans/refresh/")
    live.mark(sql("SELECT {}::bigint AS subject_id", many[0].pk))
    live.run_all(timezone.now())
    page = text(ada.get("/segments/germans/"))
    assert "could not be brought up to date" in page and "person.custom.gone" in page
    assert figure(ada.get("/segments/germans/"), "segment.size") == "10"


def test_a_profile_tells_the_segments_and_why(ada):
    who = person(country="DE")
    made()
    made("Active", {"all": [FROM_GERMANY, {"not": {"field": "activity.count", "op": "equals", "value": 0}}]})
    profile = text(ada.get(who.get_absolute_url()))
    assert "Germans" in profile and "Not in 1 segment" in profile
    assert f"/segments/germans/why/{who.pk}/" in profile
    told = text(ada.get(f"/segments/active/why/{who.pk}/"))
    assert "never was" in told and "found: DE" in told and "does not hold" in told
    part = ada.get(f"/segments/active/why/{who.pk}/", headers={"HX-Request": "true", "HX-Target": "why-active"})
    assert text(part).strip().startswith('<div class="why"')
    assert ada.get("/segments/active/why/999999/").status_code == 404
    assert ada.get(f"/segments/none/why/{who.pk}/").status_code == 404
