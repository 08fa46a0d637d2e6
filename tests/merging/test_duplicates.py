"""Who may be one and the same: what each rule finds and leaves, what was decided, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience import merging
from audience.merging import duplicates
from audience.models import Duplicate, Identity, Person, PhoneNumber
from audience.subjects import people
from kit.models import User
from kit.sql import Sql, value
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def found() -> dict[frozenset[int], set[str]]:
    duplicates.find(NOW)
    return {
        frozenset((each.one_id, each.other_id)): {why["rule"] for why in each.why}
        for each in Duplicate.objects.filter(state="open")
    }


def pair(one: Any, other: Any) -> frozenset[int]:
    return frozenset((one.pk, other.pk))


def test_the_same_mailbox_is_one_person_where_dots_and_what_follows_a_plus_mean_nothing() -> None:
    one = factories.person(email="ann.lee@gmail.com")
    other = factories.person(email="annlee+news@googlemail.com")
    work = factories.person(email="bob@firm.example")
    tagged = factories.person(email="bob+fair@firm.example")
    factories.person(email="b.ob@firm.example")
    assert found() == {pair(one, other): {"email_google"}, pair(work, tagged): {"email_plus"}}


def test_an_email_that_the_other_had_before_is_a_reason() -> None:
    moved = factories.person(email="ann@old.example")
    people.change(moved, {"email": "ann@new.example"}, source="crm", by=None, now=NOW)
    again = factories.person(email="Ann@old.example")
    assert found() == {pair(moved, again): {"email_former"}}


def test_numbers_are_compared_as_they_are_meant_by_country() -> None:
    one = factories.person(phone="030 901820", country="DE", last_name="Lee")
    other = factories.person(phone="+49 (30) 90 18 20", last_name="lee")
    factories.person(phone="030 901820", country="FR")
    factories.person(phone="ask Ann", country="DE")
    assert found() == {pair(one, other): {"phone"}}
    assert PhoneNumber.objects.get(written="030 901820", country="DE").number == "+4930901820"


@pytest.mark.parametrize("country", ["Germany", "deutschland", "Allemagne", "Alemania", "DEU"])
def test_a_country_may_be_called_by_its_name(country: str) -> None:
    one = factories.person(phone="030 901820", country=country)
    other = factories.person(phone="+49 30 901820")
    factories.person(phone="030 901820", country="Nowhere")
    assert found() == {pair(one, other): {"phone"}}


def test_numbers_of_everybody_are_read_and_each_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "AT_ONCE", 2)
    several = [factories.person(phone=f"030 90182{number // 2}", country="DE", last_name="Lee") for number in range(7)]
    worked_out: list[str] = []
    number_of = duplicates.number_of
    monkeypatch.setattr(duplicates, "number_of", lambda *said: worked_out.append(said[0]) or number_of(*said))  # type: ignore[func-returns-value]
    assert set(found()) == {pair(several[at], several[at + 1]) for at in (0, 2, 4)}
    found()
    assert sorted(worked_out) == [f"030 90182{number}" for number in range(4)]


def test_a_number_that_many_share_is_a_switchboard() -> None:
    for _each in range(duplicates.SHARED + 1):
        factories.person(phone="+49 30 901820")
    assert found() == {}


def test_whoever_is_called_otherwise_at_the_same_number_is_less_sure() -> None:
    factories.person(phone="+49 30 901820", last_name="Lee")
    factories.person(phone="+49 30 901820", last_name="Poe")
    found()
    assert Duplicate.objects.get().confidence == 40


def test_one_id_in_two_systems_is_a_reason_unless_it_is_a_mere_number() -> None:
    one, other, third = factories.person(), factories.person(), factories.person()
    for system, who, external in (("crm", one, "AX-7781"), ("shop", other, "AX-7781"), ("crm", third, "10017781"),
                                  ("shop", one, "10017781")):  # fmt: skip
        Identity.objects.create(system=system, kind="person", external_id=external, person=who)
    assert found() == {pair(one, other): {"external_id"}}


def test_one_name_in_one_account_is_a_reason_and_so_is_its_short_form() -> None:
    acme, other_account = factories.account(), factories.account()
    robert = factories.person(first_name="Robert", last_name="Hill", account=acme)
    same = factories.person(first_name="ROBERT", last_name="Hill", account=acme)
    short = factories.person(first_name="Rob", last_name="hill", account=acme)
    factories.person(first_name="Robert", last_name="Hill", account=other_account)
    factories.person(first_name="Robert", last_name="Hill")
    assert found() == {
        pair(robert, same): {"name_account"}, pair(robert, short): {"name_short"}, pair(same, short): {"name_short"},
    }  # fmt: skip


def can_tell_trigrams() -> bool:
    return bool(value(Sql("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')")))


@pytest.mark.parametrize("trigrams", [False, True])
def test_a_slip_in_a_last_name_is_found_on_every_server(trigrams: bool) -> None:
    if trigrams:
        duplicates.want_trigrams(NOW)
        assert duplicates._tells_trigrams() == can_tell_trigrams()
    acme = factories.account()
    for several in (("Smithson", "Smithsen"), ("Meyers", "Meyer"), ("Bergman", "Begrman")):
        one, other = (factories.person(first_name="Jon", last_name=each, account=acme) for each in several)
        assert found() == {pair(one, other): {"name_alike"}}
        Person.objects.all().delete()
    for several in (("Lee", "Lea"), ("Hansen", "Jensen"), ("Keller", "Kemper")):
        for each in several:
            factories.person(first_name="Jon", last_name=each, account=acme)
        assert found() == {}
        Person.objects.all().delete()
    factories.person(first_name="Jon", last_name="Smithson", account=acme)
    factories.person(first_name="Jon", last_name="Smithsen", account=factories.account())
    assert found() == {}


def test_two_slips_are_found_where_the_server_can_tell_and_nothing_requires_it() -> None:
    acme = factories.account()
    one = factories.person(first_name="Ann", last_name="Katzenberger", account=acme)
    other = factories.person(first_name="Ann", last_name="Katzenburgers", account=acme)
    assert found() == {}
    duplicates.want_trigrams(NOW)
    assert found() == ({pair(one, other): {"name_alike"}} if can_tell_trigrams() else {})


def test_getting_ready_has_the_server_tell_trigrams_where_it_can(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    call_command("prepare")
    assert duplicates._tells_trigrams() == can_tell_trigrams()


def test_accounts_are_found_by_domain_and_by_name_without_its_legal_form() -> None:
    one = factories.account(name="Acme Rail GmbH & Co. KG", domain="acme.example")
    other = factories.account(name="ACME RAIL, Inc.")
    site = factories.account(name="Another name", domain="www.acme.example")
    factories.account(name="Acme Railways")
    assert found() == {pair(one, other): {"account_name"}, pair(one, site): {"domain"}}


def test_a_slip_in_an_accounts_name_is_found_within_one_country() -> None:
    one = factories.account(name="Grounding Technologies GmbH", country="Germany")
    other = factories.account(name="Grounding Technologis", country="DE")
    swapped = factories.account(name="GROUNDING TECHNOLOGEIS AG")
    factories.account(name="Grounding Technologiez Inc.", country="United States")
    factories.account(name="Hounding Technologies GmbH", country="Germany")
    for name in ("Plant 1 of Hull", "Plant 2 of Hull", "Plant of Hull", "Acme", "Acmes"):
        factories.account(name=name)
    assert found() == {pair(one, other): {"account_alike"}, pair(one, swapped): {"account_alike"}}


def test_one_country_is_one_however_it_is_called() -> None:
    factories.account(name="Acme Rail GmbH", country="Germany")
    factories.account(name="Acme Rail", country="de")
    found()
    assert Duplicate.objects.get().confidence == 75


def test_several_reasons_make_a_pair_surer_and_the_surest_come_first() -> None:
    acme = factories.account()
    given: dict[str, Any] = {"first_name": "Ann", "last_name": "Lee", "account": acme}
    factories.person(phone="+49 30 901820", **given)
    factories.person(phone="030/901820", country="DE", **given)
    factories.person(email="bob@firm.example")
    factories.person(email="bob+1@firm.example")
    found()
    admin = User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN)
    assert [each.confidence for each in duplicates.waiting(admin)] == [97, 85]


def test_what_is_said_to_be_two_never_returns_and_what_is_no_duplicate_any_more_goes() -> None:
    one, other = factories.person(email="bob@firm.example"), factories.person(email="bob+1@firm.example")
    found()
    assert duplicates.say_two(Duplicate.objects.get(), by=None, now=NOW)
    assert not duplicates.say_two(Duplicate.objects.get(), by=None, now=NOW)
    assert found() == {}
    third = factories.person(email="bob+2@firm.example")
    assert found() == {pair(one, third): {"email_plus"}}
    people.change(third, {"email": "eve@firm.example"}, source="crm", by=None, now=NOW)
    # Only that it was hers before links her to anybody now.
    assert pair(one, third) not in found() and pair(one, other) not in found()


def test_that_somebody_is_another_holds_for_those_whom_they_are_merged_with() -> None:
    one, other = factories.person(email="bob@firm.example"), factories.person(email="bob+1@firm.example")
    found()
    duplicates.say_two(Duplicate.objects.get(), by=None, now=NOW)
    third = factories.person(email="bob@elsewhere.example")
    merging.merge(third, other, by=None, now=NOW)
    [decided] = Duplicate.objects.all()
    assert decided.state == "two" and [decided.one_id, decided.other_id] == sorted((one.pk, third.pk))


def test_the_erased_and_the_merged_are_nobodys_duplicates() -> None:
    factories.person(email="bob@firm.example")
    factories.person(email="bob+1@firm.example", erased_at=NOW)
    assert found() == {}


def test_looking_costs_one_statement_a_rule_however_many_there_are() -> None:
    factories.person(email="x@firm.example")
    with CaptureQueriesContext(connection) as few:
        duplicates.find(NOW)
    Person.objects.bulk_create(
        Person(email=f"p{n}@firm.example", first_name=f"N{n % 40}", last_name=f"L{n % 900}", first_seen_at=NOW)
        for n in range(3000)
    )
    with CaptureQueriesContext(connection) as many:
        duplicates.find(NOW)
    assert len(many) == len(few)


def test_the_command_says_how_many_pairs_wait(capsys: pytest.CaptureFixture[str]) -> None:
    factories.person(email="bob@firm.example")
    factories.person(email="bob+1@firm.example")
    call_command("find_duplicates")
    assert "1 pairs wait to be looked at: 1 of people, 0 of accounts." in capsys.readouterr().out
