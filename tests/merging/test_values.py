"""Whose value survives, who is found by whose name afterwards, and what was known before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience import merging
from audience.conditions import compile, tree
from audience.models import Account, AccountRole, Activity, Field, FieldChange, Identity, Person, Purchase, Tagged
from audience.subjects import accounts, people, tags
from audience.subjects.names import of as called
from kit.models import User
from kit.sql import rows, sql
from lifecycle.ledger import stages
from tests import factories
from tests.audience.importing.bringing import bring
from tests.factories import NOW, days_ago
from tests.merging import pairs

pytestmark = pytest.mark.django_db


def known(at: Any, **values: Any) -> Person:
    return people.create(values, source="crm", by=None, now=at)


def again(subject: Any) -> Any:
    return type(subject).objects.get(pk=subject.pk)


def matching(field: str, value: Any, at: Any) -> set[int]:
    parsed = tree.parse({"field": field, "op": "is", "value": value}, of="person")
    return {row[0] for row in rows(compile.members(parsed, of="person", at=at))}


def test_a_value_beats_none_and_the_one_said_last_beats_the_other() -> None:
    ours = known(days_ago(50), email="ann@a.example", first_name="Ann", city="Bonn", phone="+49 30 901820")
    theirs = known(days_ago(40), email="ann@b.example", first_name="Anne", city="Köln", last_name="Lee")
    people.change(ours, {"city": "Berlin"}, source="crm", by=None, now=days_ago(10))
    merging.merge(ours, theirs, by=None, now=NOW)
    one = again(ours)
    assert (one.first_name, one.last_name, one.city, one.phone) == ("Anne", "Lee", "Berlin", "+49 30 901820")
    assert one.email == "ann@b.example"
    assert again(theirs).email == "" and again(theirs).erased_at == NOW


def test_anybody_chooses_otherwise_field_by_field_and_what_belongs_together_comes_together() -> None:
    Field.objects.create(of="person", slug="plan", label="Plan", type="text", created_at=NOW)
    ours = known(days_ago(50), email="a@a.example", title="Head of IT", custom={"plan": "free"})
    theirs = known(days_ago(40), email="b@b.example", title="Accountant", custom={"plan": "pro"})
    chosen = {"email": False, "custom.plan": True, "title": False}
    merging.merge(ours, theirs, chosen=chosen, by=None, now=NOW)
    one = again(ours)
    assert (one.email, one.title, one.custom) == ("a@a.example", "Head of IT", {"plan": "pro"})
    assert (one.title_group, one.seniority) == (ours.title_group, ours.seniority)


def test_what_a_merge_gives_is_in_the_history_and_was_not_known_before() -> None:
    ours = known(days_ago(50), email="a@a.example", country="DE")
    theirs = known(days_ago(40), email="b@b.example", country="FR")
    people.change(theirs, {"country": "AT"}, source="crm", by=None, now=days_ago(30))
    merging.merge(ours, theirs, by=None, now=NOW)
    change = FieldChange.objects.get(person=ours, field="country", original_subject_id=None)
    assert (change.old, change.occurred_at) == ("DE", NOW)
    assert FieldChange.objects.get(person=ours, field="country", original_subject_id=theirs.pk).old == "FR"
    assert matching("person.country", "DE", days_ago(5)) == {ours.pk}
    assert matching("person.country", "FR", days_ago(35)) == set()
    assert matching("person.country", "AT", days_ago(-1)) == {ours.pk}


def test_tags_before_the_merge_are_those_that_the_survivor_had() -> None:
    ours, theirs = known(days_ago(50), email="a@a.example"), known(days_ago(50), email="b@b.example")
    for who, names, at in ((ours, ["VIP"], days_ago(20)), (theirs, ["VIP", "Fair"], days_ago(10))):
        tags.add(Person, sql("SELECT {}::bigint AS subject_id", who.pk), names, source="x", by=None, now=at)
    made = merging.merge(ours, theirs, by=None, now=NOW)
    assert sorted(ours.tagged_set.values_list("tag__slug", flat=True)) == ["fair", "vip"]
    merging.part(made, by=None, now=NOW)
    assert list(ours.tagged_set.values_list("tag__slug", flat=True)) == ["vip"]
    assert sorted(theirs.tagged_set.values_list("tag__slug", flat=True)) == ["fair", "vip"]


def test_by_every_name_of_either_the_one_who_stays_is_found_and_keeps_the_address() -> None:
    ours = known(days_ago(50), email="a@a.example", external_id="A-1")
    theirs = known(days_ago(40), email="B@b.example", external_id="B-1")
    merging.merge(ours, theirs, chosen={"email": False}, by=None, now=NOW)
    for names in ({"email": "b@B.example"}, {"external_id": "B-1"}, {"email": "a@a.example"}):
        assert people.find(source="crm", **names) == ours
    found, became = people.upsert({"email": "b@b.example", "city": "Bonn"}, source="shop", by=None, now=NOW)
    assert (found, became) == (ours, people.UPDATED)
    assert (again(ours).email, again(ours).city) == ("a@a.example", "Bonn")
    with pytest.raises(people.BadValue, match="Somebody"):
        people.create({"email": "b@b.example"}, source="shop", by=None, now=NOW)
    with pytest.raises(people.BadValue, match="Somebody else"):
        people.change(factories.person(), {"email": "b@b.example"}, source="shop", by=None, now=NOW)


def test_files_find_the_one_who_stays_by_the_former_address_and_change_no_address() -> None:
    ours, theirs = known(days_ago(50), email="a@a.example"), known(days_ago(40), email="b@b.example")
    merging.merge(ours, theirs, chosen={"email": False}, by=None, now=NOW)
    bring("email,city\nb@b.example,Bonn\nc@c.example,Bern\n", source="shop")
    assert (again(ours).email, again(ours).city) == ("a@a.example", "Bonn")
    bring("email,kind,occurred,external id\nb@b.example,call,2025-06-01,7\n", "activities", source="shop")
    assert Activity.objects.get().person == ours
    assert Person.objects.filter(erased_at=None).count() == 2


def test_parted_again_each_is_found_by_their_own_name() -> None:
    ours = known(days_ago(50), email="a@a.example", external_id="A-1")
    theirs = known(days_ago(40), email="b@b.example", external_id="B-1")
    made = merging.merge(ours, theirs, by=None, now=NOW)
    merging.part(made, by=None, now=NOW)
    assert (people.find(email="b@b.example"), people.find(source="crm", external_id="B-1")) == (theirs, theirs)
    assert people.find(email="a@a.example") == ours
    assert not Identity.objects.filter(system=people.FORMERLY).exists()


def test_what_somebody_changed_since_stays_and_is_foretold() -> None:
    ours, theirs = known(days_ago(50), city="Bonn"), known(days_ago(40), city="Köln", last_name="Lee")
    made = merging.merge(ours, theirs, by=None, now=NOW)
    people.change(again(ours), {"city": "Rom"}, source="crm", by=None, now=NOW)
    assert merging.changed_since(made) == ["city"]
    merging.part(made, by=None, now=NOW)
    assert (again(ours).city, again(ours).last_name, again(theirs).city) == ("Rom", "", "Köln")


def test_a_chain_is_undone_from_its_end_and_every_row_comes_home() -> None:
    one, two, three = (known(days_ago(50), email=f"{n}@a.example") for n in "abc")
    told = {each.pk: factories.activity(each, days_ago(5)).pk for each in (one, two, three)}
    first = merging.merge(two, one, by=None, now=NOW)
    second = merging.merge(three, two, by=None, now=NOW)
    assert merging.whither(one.pk) == three.pk and merging.absorbed(three.pk) == [two.pk, one.pk]
    assert Activity.objects.filter(person=three).count() == 3
    with pytest.raises(merging.Refused, match="itself merged"):
        merging.part(first, by=None, now=NOW)
    merging.part(second, by=None, now=NOW)
    merging.part(first, by=None, now=NOW)
    assert {each.person_id: each.pk for each in Activity.objects.all()} == told
    assert not Activity.objects.exclude(original_subject_id=None).exists()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_merges_into_one_are_undone_in_any_order_and_every_row_and_value_comes_home(order: tuple[int, int]) -> None:
    ours = factories.person(email="a@x.de", city="", country="DE")
    first = factories.person(email="b@x.de", city="Bonn", country="FR", first_seen_at=factories.days_ago(90))
    second = factories.person(email="c@x.de", city="Cologne", country="IT", first_seen_at=factories.days_ago(99))
    firm = factories.account(name="Acme")
    for someone in (ours, first, second):
        factories.activity(someone, NOW)
    for someone in (first, second):  # the second one's are set aside, as the first one's are there by then
        tags.add(Person, sql("SELECT {}::bigint AS subject_id", someone.pk), ["VIP"], source="x", by=None, now=NOW)
        AccountRole.objects.create(person=someone, account=firm, role="buyer")
    before = pairs.content()
    made = [
        merging.merge(ours, first, by=None, now=NOW),
        merging.merge(ours, second, chosen={"city": True}, by=None, now=NOW),
    ]
    ours.refresh_from_db()
    assert ours.city == "Cologne"
    assert merging.part_refusal(made[0]) is None
    merging.part(made[order[0]], by=None, now=NOW)
    ours.refresh_from_db()
    assert ours.city == ("Cologne" if order[0] == 0 else "Bonn")
    assert list(Tagged.objects.filter(person=ours).values_list("tag__slug", flat=True)) == ["vip"]
    made[order[1]].refresh_from_db()
    merging.part(made[order[1]], by=None, now=NOW)
    left = pairs.differences(before, pairs.content())
    gone, _new, changed = left.pop("audience_fieldchange")
    assert gone == changed == []
    assert all(set(was) - {"updated_at"} == {key for key in was if was[key] == now[key]} - {"updated_at"}
               for was, now in left.pop("audience_person")[2])  # fmt: skip
    assert left == {}


def test_what_two_merges_put_in_one_order_is_undone_from_its_end_and_the_page_leads_there(client: Client) -> None:
    version = factories.published()
    people = [factories.person(first_name=name) for name in ("A", "B", "C")]
    for someone in people:
        stages.place(someone.pk, version, to=version.stages.get(slug="known"), reason="", by=None, at=NOW, now=NOW)
    made = [merging.merge(people[0], other, by=None, now=NOW) for other in people[1:]]
    refused = merging.part_refusal(made[0])
    assert refused is not None and refused.code == "newer" and refused.first == made[1]
    assert "memberships" in str(refused)
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    page = client.get(reverse("merge", args=[made[0].pk])).content.decode()
    assert "Go to that merge" in page and reverse("merge", args=[made[1].pk]) in page
    merging.part(made[1], by=None, now=NOW)
    assert merging.part_refusal(made[0]) is None


def test_what_came_since_goes_with_the_one_it_names_when_two_are_parted() -> None:
    ours, theirs = factories.person(email="a@x.de"), factories.person(email="b@x.de")
    for someone, system in ((ours, "crm"), (theirs, "shop"), (ours, "both"), (theirs, "both")):
        Identity.objects.create(person=someone, system=system, kind="person", external_id=f"{system}-{someone.pk}")
    made = merging.merge(ours, theirs, by=None, now=NOW)
    later = NOW + timedelta(hours=1)

    def came(source: str, **properties: str) -> Activity:
        return factories.activity(ours, NOW, recorded_at=later, source=source, properties=properties)

    goes = [came("shop"), came("web", email="B@x.de")]
    stays = [came("crm"), came("both"), came("web"), came("web", email="a@x.de")]
    bought = factories.purchase(ours, NOW)
    Purchase.objects.filter(pk=bought.pk).update(recorded_at=later, source="shop")
    assert dict(merging.goes_since(made)) == {"activities": 2, "purchases": 1}
    assert dict(merging.since(made))["activities"] == 4
    merging.part(made, by=None, now=later + timedelta(hours=1))
    assert {each.person_id for each in Activity.objects.filter(pk__in=[each.pk for each in goes])} == {theirs.pk}
    assert {each.person_id for each in Activity.objects.filter(pk__in=[each.pk for each in stays])} == {ours.pk}
    bought.refresh_from_db()
    assert bought.person_id == theirs.pk


def test_a_merged_number_says_into_whom_it_went_wherever_it_is_called(client: Client) -> None:
    ours, theirs = factories.person(email="a@x.de"), factories.person(email="b@x.de")
    made = merging.merge(ours, theirs, by=None, now=NOW)
    theirs.refresh_from_db()
    assert called(theirs) == f"#{theirs.pk}, merged into #{ours.pk}"
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    assert client.get(theirs.get_absolute_url()).url == ours.get_absolute_url()  # type: ignore[attr-defined]
    merging.part(made, by=None, now=NOW)
    theirs.refresh_from_db()
    assert (theirs.merged_into, called(theirs)) == (None, "b@x.de")


def test_what_cannot_be_merged_is_refused_with_its_reason() -> None:
    one, two = known(NOW, email="a@a.example"), known(NOW, email="b@b.example")
    for pair in ((one, one), (one, factories.account())):
        with pytest.raises(merging.Refused, match="of its kind"):
            merging.merge(*pair, by=None, now=NOW)
    merging.merge(one, two, by=None, now=NOW)
    with pytest.raises(merging.Refused, match="already"):
        merging.merge(one, two, by=None, now=NOW)
    with pytest.raises(merging.Refused, match="already"):
        merging.merge(two, known(NOW, email="c@c.example"), by=None, now=NOW)
    with pytest.raises(merging.Refused, match="erased"):
        merging.merge(one, factories.person(erased_at=NOW), by=None, now=NOW)


def test_an_email_that_is_somebody_elses_by_now_keeps_two_from_being_parted() -> None:
    ours, theirs = known(days_ago(50), email="a@a.example"), known(days_ago(40), email="b@b.example")
    made = merging.merge(ours, theirs, chosen={"email": False}, by=None, now=NOW)
    people.change(again(ours), {"email": "b@b.example"}, source="crm", by=None, now=NOW)
    with pytest.raises(merging.Refused, match="somebody else's"):
        merging.part(made, by=None, now=NOW)


# ---- accounts ----


def test_two_accounts_bring_their_people_deals_and_branches_together_and_take_them_apart() -> None:
    ours = factories.account(name="Acme", domain="acme.example")
    theirs = factories.account(name="Acme Inc", domain="acme.test", industry="Rail")
    person, branch = factories.person(account=theirs), factories.account(name="Branch", parent=theirs)
    deal = factories.deal(theirs, days_ago(5))
    made = merging.merge(ours, theirs, chosen={"name": False}, by=None, now=NOW)
    one = again(ours)
    assert (one.name, one.industry, one.domain) == ("Acme", "Rail", "acme.example")
    assert (again(person).account, again(branch).parent, again(deal).account) == (ours, ours, ours)
    merging.part(made, by=None, now=NOW)
    assert (again(person).account, again(branch).parent, again(deal).account) == (theirs, theirs, theirs)
    assert again(theirs).name == "Acme Inc" and again(ours).industry == ""


def test_no_account_comes_to_belong_to_itself() -> None:
    parent = factories.account(name="Parent")
    child = factories.account(name="Child", parent=parent)
    made = merging.merge(child, parent, by=None, now=NOW)
    assert again(child).parent is None
    merging.part(made, by=None, now=NOW)
    assert again(child).parent == parent
    grandchild = factories.account(name="Grandchild", parent=child)
    with pytest.raises(merging.Refused, match="way of others"):
        merging.merge(grandchild, parent, by=None, now=NOW)
    merging.merge(parent, grandchild, by=None, now=NOW)
    assert Account.objects.filter(erased_at=None).count() == 2


def test_files_and_programs_find_an_account_by_the_former_domain_and_change_none() -> None:
    ours, theirs = factories.account(name="Acme", domain="acme.example"), factories.account(domain="acme.test")
    merging.merge(ours, theirs, by=None, now=NOW)
    assert accounts.find(domain="acme.test") == ours
    bring("domain,industry\nacme.test,Rail\n", "accounts", source="shop")
    accounts.upsert({"domain": "acme.test", "city": "Bonn"}, source="crm", by=None, now=NOW)
    one = again(ours)
    assert (one.domain, one.industry, one.city) == ("acme.example", "Rail", "Bonn")
    bring("email,account domain\nann@a.example,acme.test\n", source="shop")
    assert Person.objects.get().account == ours and Account.objects.filter(erased_at=None).count() == 1
