"""Activities and who took part in them, each in a file of its own, in either order."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audience import importing
from audience.activity import timeline
from audience.importing import rollback
from audience.models import Account, Activity, ActivityParty, Import, Person, UnnamedActivity
from audience.subjects import erasure
from tests.audience.importing.bringing import NOW, bring, rejects, shared
from tests.audience.importing.bringing import counts as all_counts
from tests.audience.importing.test_rollback import roll_back

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
CONTACTS = "id,email\n501,ann@x.example\n502,bob@x.example\n503,eve@x.example\n"
ENGAGEMENTS = (
    "engagement_id,type,property_hs_timestamp,property_hs_call_title\n"
    "1,CALL,2024-01-05 10:00,Hello\n2,EMAIL,2024-01-06 11:00,Offer\n3,CALL,2024-01-07,Nobody\n"
)
PEOPLE = "contact_id,engagement_id\n501,1\n502,1\n502,2\n503,9\n"
HUBSPOT = "crm_exports_fivetran/hubspot/"


def engagements(content: str = ENGAGEMENTS, **more: Any) -> Import:
    return bring(content, "activities", **more)


def parts(content: str = PEOPLE, **more: Any) -> Import:
    return bring(content, "activity_people", **more)


def counts(imported: Import) -> dict[str, int]:
    return {name: number for name, number in all_counts(imported).items() if name != "kinds_created"}


def histories() -> dict[str, list[tuple[str, datetime]]]:
    """What stands, by person."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    for person in Person.objects.filter(erased_at=None).order_by("email"):
        items = Activity.objects.filter(person=person, reversal_of=None).order_by("occurred_at").select_related("kind")
        stand = [each for each in items if not Activity.objects.filter(reversal_of=each).exists()]
        found[person.email] = [(each.kind.slug, each.occurred_at) for each in stand]
    return found


CALL, MAIL = ("call", datetime(2024, 1, 5, 10, tzinfo=UTC)), ("email", datetime(2024, 1, 6, 11, tzinfo=UTC))
TOGETHER = {"ann@x.example": [CALL], "bob@x.example": [CALL, MAIL], "eve@x.example": []}
NOTHING: dict[str, list[Any]] = dict.fromkeys(TOGETHER, [])


@pytest.fixture(autouse=True)
def contacts() -> None:
    bring(CONTACTS)


def test_activities_wait_for_the_file_that_says_whose_they_are() -> None:
    assert counts(engagements(dry_run=True)) == {"rows": 3, "created": 3, "waiting": 3}
    assert counts(engagements()) == {"rows": 3, "created": 3, "waiting": 3}
    assert histories() == NOTHING
    tried = parts(dry_run=True)
    assert counts(tried) == {"rows": 4, "created": 4, "waiting": 1, "activities_made": 3}
    assert counts(parts(now=LATER)) == {"rows": 4, "created": 4, "waiting": 1, "activities_made": 3}
    assert histories() == TOGETHER
    call = Activity.objects.filter(kind__slug="call").first()
    assert call and call.properties == {} and call.recorded_at == LATER


def test_people_of_activities_may_come_first() -> None:
    assert counts(parts()) == {"rows": 4, "created": 4, "waiting": 4}
    assert counts(engagements(dry_run=True)) == {"rows": 3, "created": 3, "waiting": 1, "activities_made": 3}
    assert counts(engagements()) == {"rows": 3, "created": 3, "waiting": 1, "activities_made": 3}
    assert histories() == TOGETHER


def test_told_again_nothing_is_there_twice() -> None:
    engagements(), parts()
    assert counts(engagements()) == {"rows": 3, "unchanged": 3}
    assert counts(parts()) == {"rows": 4, "unchanged": 4}
    more = PEOPLE + "501,2\n501,2\n"
    assert counts(parts(more)) == {"rows": 6, "created": 1, "unchanged": 4, "repeated": 1, "activities_made": 1}
    assert histories() == TOGETHER | {"ann@x.example": [CALL, MAIL]}


@pytest.mark.parametrize("first", ["activities", "people"])
@pytest.mark.parametrize("back", ["activities", "people"])
def test_either_file_is_rolled_back_exactly_and_may_be_told_again(first: str, back: str) -> None:
    tell = {"activities": engagements, "people": parts}
    other = next(each for each in tell if each != first)
    told = {each: tell[each]() for each in (first, other)}
    lines = {line.table: line.goes for line in rollback.preview(told[back], now=LATER)}
    table, number = ("audience_unnamedactivity", 3) if back == "activities" else ("audience_activityparty", 4)
    assert lines["audience_activity"] == 3 and lines[table] == number
    roll_back(told[back])
    assert histories() == NOTHING
    tell[back]()
    assert histories() == TOGETHER
    left = next(each for each in tell if each != back)
    roll_back(told[left])
    assert histories() == NOTHING
    tell[left]()
    assert histories() == TOGETHER


def test_people_that_the_file_made_go_with_it_though_another_told_what_they_did() -> None:
    made = parts("email,engagement_id\nnew@x.example,1\n")
    engagements()
    assert histories()["new@x.example"] == [CALL]
    roll_back(made)
    assert "new@x.example" not in histories()
    assert not ActivityParty.objects.exists() and UnnamedActivity.objects.count() == 3


def test_rows_that_say_too_little_are_refused_in_words() -> None:
    bare = engagements("engagement_id,type,timestamp\n1,CALL,2024-01-05\n,CALL,2024-01-05\n")
    assert counts(bare) == {"rows": 2, "created": 1, "waiting": 1, "rejected": 1}
    assert "another file" in rejects(bare)[0][2]
    with pytest.raises(importing.Refused) as refusal:
        engagements("type,timestamp\nCALL,2024-01-05\n")
    assert refusal.value.code == "missing_field"
    some = engagements("id,type,timestamp,contact id\n7,CALL,2024-01-05,501\n8,CALL,2024-01-05,\n")
    assert [(column, "neither a person" in reason) for _row, column, reason in rejects(some)] == [("contact id", True)]
    wrong = parts("contact_id,engagement_id\n777,1\n502,7\n501,7\n,1\n501,\n")
    assert counts(wrong) == {"rows": 5, "unchanged": 1, "rejected": 4}
    assert ["Nobody" in rejects(wrong)[0][2], "no others" in rejects(wrong)[1][2]] == [True, True]


def test_an_account_takes_part_as_itself() -> None:
    bring("id,name\n77,Acme\n", "accounts")
    engagements()
    told = parts("company_id,engagement_id\n77,1\n")
    assert counts(told) == {"rows": 1, "created": 1, "activities_made": 1}
    activity = Activity.objects.get()
    assert (activity.account, activity.person) == (Account.objects.get(name="Acme"), None)


def test_files_of_other_systems_do_not_meet() -> None:
    engagements(source="other")
    assert counts(parts())["waiting"] == 4
    assert histories() == NOTHING


def test_the_files_of_hubspot_come_together_as_they_are() -> None:
    bring("id,email\n501,c@x.example\n", source="hubspot")
    call = importing.upload(shared(HUBSPOT + "engagement_call_data.csv"), "", source="hubspot", by=None, now=NOW)
    party = importing.upload(shared(HUBSPOT + "engagement_contact_data.csv"), "", source="hubspot", by=None, now=NOW)
    assert (call.kind, party.kind) == ("activities", "activity_people")
    note = importing.kind_of("activities").note(set(importing.guessed(call).mapping.values()))
    assert "People of activities" in note
    for each in (HUBSPOT + "engagement_call_data.csv", HUBSPOT + "engagement_contact_data.csv"):
        kind = "activity_people" if "contact" in each else "activities"
        bring(Path(shared(each)), kind, source="hubspot")
    person = Person.objects.get(email="c@x.example")
    activity = Activity.objects.get(person=person)
    assert (activity.kind.slug, activity.occurred_at.date().isoformat()) == ("call", "2014-08-27")


def test_who_is_erased_takes_along_what_was_said_of_their_activities() -> None:
    engagements(ENGAGEMENTS, mapping={
        "engagement_id": "external_id", "type": "kind", "property_hs_timestamp": "occurred",
        "property_hs_call_title": "properties.title",
    })  # fmt: skip
    parts()
    bob = Person.objects.get(email="bob@x.example")
    erasure.erase(bob, by=None, now=LATER)
    assert not ActivityParty.objects.filter(person=bob).exists()
    assert list(UnnamedActivity.objects.order_by("external_id").values_list("properties", flat=True)) == [
        {}, {}, {"title": "Nobody"},
    ]  # fmt: skip
    ann = Activity.objects.get(person__email="ann@x.example")
    assert ann.properties == {"title": "Hello"}


def test_an_activity_of_two_stands_in_both_timelines() -> None:
    engagements(), parts()
    for email in ("ann@x.example", "bob@x.example"):
        person = Person.objects.get(email=email)
        assert CALL[1] in [each.at for each in timeline.page(person, timeline.Wanted()).items]


@pytest.mark.django_db(transaction=True)
def test_two_files_that_come_in_at_once_meet() -> None:
    """Each waits for the other to be through, so that one of them sees both."""
    told: list[Any] = []

    def tell(what: Any) -> None:
        try:
            told.append(counts(what()))
        finally:
            connection.close()

    both = [threading.Thread(target=tell, args=(each,)) for each in (engagements, parts)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert len(told) == 2
    assert histories() == TOGETHER
