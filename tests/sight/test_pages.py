"""What pages say to a salesperson who sees some of all, and what they answer to one who tries to get at the others."""

import re

import pytest
from django.core.cache import cache
from django.urls import reverse

from audience import consent
from audience.models import Account, Person, Tagged
from audience.subjects import people
from kit import work
from kit.models import Team, User
from lifecycle.ledger import stages
from lifecycle.models import BulkMove, Membership
from tests.factories import NOW, account, days_ago, person, published

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forgotten():
    cache.clear()


def user(name, role=User.Role.SALES, **values):
    return User.objects.create_user(f"{name.lower()}@example.com", "x", name=name, role=role, **values)


@pytest.fixture
def sal(client):
    made = user("Sal", team=Team.objects.create(name="North"))
    client.force_login(made)
    return made


@pytest.fixture
def sue():
    return user("Sue", team=Team.objects.create(name="South"))


def said(answer):
    return [str(each) for each in answer.context["messages"]]


def shown(client, url, **asked):
    answer = client.get(url, asked)
    assert answer.status_code == 200, answer.content[:300]
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def three(sal, sue):
    """One of the salesperson's, one of another team's, one of nobody's."""
    told = {"last_name": "Okafor", "country": "DE"}
    return [
        person(first_name=name, email=f"{name.lower()}@example.com", owner=owner, **told)
        for name, owner in (("Mine", sal), ("Hers", sue), ("Nobodys", None))
    ]


# ---- what a list says ----


def test_a_list_says_how_many_of_how_many_it_shows(client, sal, sue):
    three(sal, sue)
    assert "1 of 3: you see those that you or your team own." in shown(client, reverse("people"))
    client.force_login(user("Mo", User.Role.MARKETER))
    assert "you or your team" not in shown(client, reverse("people"))


def test_with_a_filter_the_whole_is_not_told_so_that_nobody_is_found_by_asking(client, sal, sue):
    three(sal, sue)
    there = shown(client, reverse("people"), q="hers@example.com").replace("hers@example.com", "")
    not_there = shown(client, reverse("people"), q="zoe@example.com").replace("zoe@example.com", "")
    assert there == not_there
    assert "Only those that you or your team own are shown." in shown(client, reverse("people"), q="okafor")


def test_an_empty_list_says_that_it_is_the_reader_s_and_not_the_firm_s(client, sal, sue):
    person(owner=sue)
    told = shown(client, reverse("people"))
    assert "Nothing here is yours" in told and "0 of 1" in told and "import one" not in told


def test_a_place_in_the_list_that_somebody_else_was_at_leads_to_one_s_own_rows(client, sal, sue):
    for number in range(120):
        person(first_name=f"P{number}", owner=sal if number < 55 else sue)
    client.force_login(user("Mo", User.Role.MARKETER))
    after = client.get(reverse("people")).context["after_view"]
    client.force_login(sal)
    rows = client.get(after).context["page"].rows
    assert rows and {row.owner_id for row in rows} == {sal.pk}


def test_where_somebody_works_is_said_without_a_way_there_when_the_account_is_not_seen(client, sal, sue):
    foreign = account(name="Acme Rail", owner=sue)
    mine = person(first_name="Ada", title="Buyer", owner=sal, account=foreign)
    for url in (reverse("people"), mine.get_absolute_url()):
        content = client.get(url).content.decode()
        assert "Acme Rail" in content and foreign.get_absolute_url() not in content
    Account.objects.update(owner=sal)
    assert foreign.get_absolute_url() in client.get(mine.get_absolute_url()).content.decode()


# ---- many at once ----


def test_all_of_a_view_is_all_that_one_sees(client, sal, sue):
    mine, *others = three(sal, sue)
    asked = {"action": "tag", "tag-names": "vip", "all": "1"}
    answer = client.post(reverse("people"), asked)
    assert answer.context["count"] == 1
    client.post(reverse("people"), asked | {"sure": "1"})
    assert [each.subject_id for each in Tagged.objects.all()] == [mine.pk]
    answer = client.post(
        reverse("people"), {"action": "tag", "tag-names": "x", "id": [o.pk for o in others]}, follow=True
    )
    assert "none of the rows is there" in said(answer)[-1] and Tagged.objects.count() == 1


def test_what_somebody_else_did_to_many_is_not_taken_back_by_a_salesperson(client, sal, sue):
    three(sal, sue)
    mo = user("Mo", User.Role.MARKETER)
    client.force_login(mo)
    client.post(reverse("people"), {"action": "tag", "tag-names": "vip", "all": "1", "sure": "3"})
    mark = re.search(r"/undo/\?mark=([^\s\"&]+)", client.get(reverse("people")).content.decode())[1]
    client.force_login(sal)
    assert "can no longer be taken back" in said(client.post(f"/undo/?mark={mark}", follow=True))[0]
    assert Tagged.objects.count() == 3
    client.force_login(user("Olga", User.Role.OPS))
    client.post(f"/undo/?mark={mark}")
    assert not Tagged.objects.exists()


def test_one_s_own_is_taken_back_by_oneself(client, sal, sue):
    mine, *_others = three(sal, sue)
    answer = client.post(reverse("people"), {"action": "owner", "owner-owner": sue.pk, "id": mine.pk}, follow=True)
    assert "1 is not in this view any more." in said(answer)
    mark = re.search(r"/undo/\?mark=([^\s\"&]+)", answer.content.decode())[1]
    client.post(f"/undo/?mark={mark}")
    mine.refresh_from_db()
    assert mine.owner == sal


def test_members_that_are_not_seen_are_not_moved_by_naming_them(client, sal, sue):
    version = published()
    members = []
    for each in three(sal, sue):
        known = version.stages.get(slug="known")
        assert stages.place(each.pk, version, to=known, reason="", by=None, at=days_ago(5), now=days_ago(5))
        members.append(Membership.objects.get(subject_id=each.pk))
    lead = version.stages.get(slug="lead")
    url = reverse("lifecycle_board_move", args=["small"])
    for asked in ({"member": [f"{each.pk}:{each.seq}" for each in members]}, {"all": "known"}, {"whole": "on"}):
        client.post(url, {"to": lead.pk, "reason": "Mine"} | asked)
        moved = Membership.objects.filter(stage=lead).values_list("subject_id", flat=True)
        assert list(moved) == [members[0].subject_id], asked
        Membership.objects.get(pk=members[0].pk)
    hers = BulkMove.objects.first()
    BulkMove.objects.filter(pk=hers.pk).update(created_by=sue)
    assert client.post(reverse("bulk_undo", args=[hers.pk])).status_code == 404


# ---- making and giving away ----


def test_whom_a_salesperson_makes_is_theirs_unless_they_say_otherwise(client, sal, sue):
    client.post(reverse("person_new"), {"first_name": "Ada", "owner": ""})
    assert Person.objects.get(first_name="Ada").owner == sal
    answer = client.post(reverse("person_new"), {"first_name": "Eve", "owner": sue.pk}, follow=True)
    assert Person.objects.get(first_name="Eve").owner == sue
    assert answer.redirect_chain[0][0] == reverse("people") and "do not see it any more" in said(answer)[-1]
    client.post(reverse("account_new"), {"name": "Acme"})
    assert Account.objects.get().owner == sal


def test_for_others_nobody_is_an_answer(client):
    client.force_login(user("Mo", User.Role.MARKETER))
    client.post(reverse("person_new"), {"first_name": "Ada", "owner": ""})
    assert Person.objects.get().owner is None


def test_whoever_gives_somebody_away_is_told_that_they_are_gone(client, sal, sue):
    mine = person(first_name="Ada", owner=sal)
    answer = client.post(reverse("person_owner", args=[mine.pk]), {"owner": sue.pk}, follow=True)
    assert answer.status_code == 200 and "do not see it any more" in said(answer)[0]
    assert client.get(mine.get_absolute_url()).status_code == 404
    back = client.post(reverse("person_owner", args=[mine.pk]), {"owner": sal.pk})
    assert back.status_code == 404 and Person.objects.get().owner == sue


def test_a_foreign_account_is_chosen_by_nobody_neither_by_name_nor_by_number(client, sal, sue):
    foreign = account(name="Acme Rail", domain="acme.example", owner=sue)
    mine = person(first_name="Ada", owner=sal)
    for text in ("Acme Rail", "acme.example", f"Acme Rail #{foreign.pk}", f"#{foreign.pk}"):
        answer = client.post(reverse("person_new"), {"first_name": "Eve", "account": text})
        assert answer.status_code == 400
        assert "No account is called" in str(answer.context["form"].errors["account"])
    answer = client.get(reverse("account_choose"), {"q": "acme"})
    assert b"Acme" not in answer.content
    assert Person.objects.get() == mine


def test_somebody_who_works_at_a_foreign_account_can_still_be_changed(client, sal, sue):
    mine = person(first_name="Ada", owner=sal, account=account(name="Acme Rail", owner=sue))
    url = reverse("person_edit", args=[mine.pk])
    form = client.get(url).context["form"]
    data = {name: form[name].value() if form[name].value() is not None else "" for name in form.fields}
    data |= {form.add_initial_prefix(name): value for name, value in data.items() if name != "seen"}
    assert client.post(url, data | {"city": "Bonn"}).status_code == 302
    mine.refresh_from_db()
    assert (mine.city, mine.account.name) == ("Bonn", "Acme Rail")


# ---- notes, tasks, addresses ----


def test_a_task_about_somebody_unseen_says_its_title_and_not_who_it_is_about(client, sal, sue):
    about = person(first_name="Zoe", owner=sue)
    work.add("Ring her", by=sue, now=NOW, subject_id=about.pk, assigned_to=sal)
    work.add("Not for him", by=sue, now=NOW, subject_id=about.pk, assigned_to=sue)
    for url, asked in ((reverse("home"), {}), (reverse("work"), {}), (reverse("work"), {"whose": "all"})):
        told = shown(client, url, **asked)
        assert "Ring her" in told and "Zoe" not in told and "Not for him" not in told
    assert client.get(about.get_absolute_url()).status_code == 404, "a task gives no sight"


def test_whoever_gives_a_task_to_one_who_does_not_see_its_person_is_told(client, sal, sue):
    about = person(first_name="Ada", owner=sal)
    asked = {"title": "Ring", "subject": about.pk, "assigned_to": sue.pk}
    answer = client.post(reverse("task_new"), asked, follow=True)
    assert "Sue does not see whom it is about" in " ".join(said(answer))
    answer = client.post(reverse("task_new"), asked | {"assigned_to": sal.pk}, follow=True)
    assert "does not see" not in " ".join(said(answer))


def test_of_an_address_a_salesperson_learns_nothing_unless_its_owner_is_seen(client, sal, sue):
    three(sal, sue)
    for address in ("mine@example.com", "hers@example.com"):
        consent.suppress(address, reason="asked by letter", by=None, now=NOW)
    answers = {
        name: shown_after(client, f"{name}@example.com").replace(name, "")
        for name in ("mine", "hers", "nobodys", "unknown")
    }
    assert "asked by letter" in answers["mine"]
    assert answers["hers"] == answers["nobodys"] == answers["unknown"]


def shown_after(client, address):
    content = client.post(reverse("suppression_find"), {"address": address}).content.decode()
    return re.sub(r"[A-Za-z0-9]{64}", "", content)


def test_sales_do_not_try_out_conditions_because_a_count_would_tell(client, sal):
    asked = '{"field": "person.email", "op": "is", "value": "hers@example.com"}'
    for answer in (
        client.post(reverse("conditions_check"), asked, content_type="application/json"),
        client.get(reverse("conditions_values"), {"of": "person", "field": "person.email"}),
    ):
        assert answer.status_code == 403


def test_an_email_that_somebody_unseen_has_is_refused_without_saying_whose_it_is(client, sal, sue):
    three(sal, sue)
    answer = client.post(reverse("person_new"), {"first_name": "Eve", "email": "hers@example.com"})
    assert answer.status_code == 400
    assert str(answer.context["form"].errors["email"]).count("Somebody with this email is there already.") == 1
    assert people.find(source="", external_id=None, email="hers@example.com").first_name == "Hers"
