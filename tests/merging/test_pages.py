"""The pages and the API of merges: the queue, the comparison, where a merged one's address leads, undoing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audience import merging
from audience.importing import rollback
from audience.merging import duplicates
from audience.models import Duplicate, Import, Merge, Person
from audience.subjects import erasure, people
from integrations.models import Change
from kit import jobs, notes
from kit.models import AuditEntry, User
from tests import asking, factories
from tests.audience.importing.bringing import bring
from tests.factories import NOW
from tests.privacy import world as worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def pair() -> tuple[Person, Person]:
    return (
        factories.person(email="bob@firm.example", first_name="Bob", city="Bonn"),
        factories.person(email="bob+fair@firm.example", first_name="Robert", city="Köln"),
    )


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_the_queue_shows_both_why_and_how_sure_and_a_pair_that_is_two_leaves_it(client: Client, ada: User) -> None:
    ours, _theirs = pair()
    duplicates.find(NOW)
    shown = text(client.get(reverse("duplicates")))
    for word in ("Bob", "Robert", "the same email but for what follows a plus", "bob@firm.example", "85 %"):
        assert word in shown
    told = client.post(reverse("duplicate_two", args=[Duplicate.objects.get().pk]), follow=True)
    assert "They are two" in text(told) and "Nobody seems to be there twice" in text(told)
    assert AuditEntry.objects.latest("pk").action == "duplicate.two"
    duplicates.find(NOW)
    assert "Nobody seems to be there twice" in text(client.get(reverse("duplicates")))


def test_looking_now_is_long_work_that_is_asked_for_once(client: Client, ada: User) -> None:
    pair()
    first, second = (client.post(reverse("duplicates_find")) for _each in range(2))
    assert first.url == second.url
    jobs.run(int(first.url.strip("/").split("/")[-1]), NOW)
    assert Duplicate.objects.count() == 1


def test_both_stand_side_by_side_and_what_is_chosen_survives(client: Client, ada: User) -> None:
    ours, theirs = pair()
    notes.add(theirs.pk, "Likes tea", by=ada, now=NOW)
    url = reverse("person_merge", args=[ours.pk])
    shown = text(client.get(url, {"with": theirs.pk}))
    assert "Not the same" not in shown
    duplicates.find(NOW)
    shown = text(client.get(url, {"with": theirs.pk}))
    for word in (
        "Bonn",
        "Köln",
        "the same email but for what follows a plus",
        "Not the same",
        "Merge the two",
        f"Let #{theirs.pk} stay instead",
        "notes",
    ):
        assert word in shown
    told = client.post(url, {"with": theirs.pk, "do": "merge", "take-city": "theirs", "take-first_name": "ours"})
    made = Merge.objects.get()
    assert told.url == reverse("merge", args=[made.pk])
    ours.refresh_from_db()
    assert (ours.city, ours.first_name) == ("Köln", "Bob")
    assert AuditEntry.objects.latest("pk").action == "person.merge"
    assert "Likes tea" in text(client.get(ours.get_absolute_url()))
    assert reverse("merge", args=[made.pk]) in text(client.get(ours.get_absolute_url()))


def test_the_other_one_is_found_by_number_email_or_name(client: Client, ada: User) -> None:
    ours, theirs = pair()
    url = reverse("person_merge", args=[ours.pk])
    for said in (str(theirs.pk), f"#{theirs.pk}", "bob+fair@firm.example"):
        assert "Merge the two" in text(client.get(url, {"with": said})), said
    assert f"with={theirs.pk}" in text(client.get(url, {"with": "Robert"}))
    for said in ("", "nobody at all", "9" * 30, "\x00", "'", str(ours.pk), "-1"):
        answer = client.get(url, {"with": said})
        assert answer.status_code == 200 and "Merge the two" not in text(answer), said


def test_two_rows_of_a_list_lead_to_the_comparison_and_any_other_number_does_not(client: Client, ada: User) -> None:
    ours, theirs = pair()
    third = factories.person()
    told = client.post(reverse("people"), {"action": "merge", "id": [theirs.pk, ours.pk]})
    assert told.url == f"{reverse('person_merge', args=[ours.pk])}?with={theirs.pk}"
    told = client.post(reverse("people"), {"action": "merge", "id": [theirs.pk, ours.pk, third.pk]}, follow=True)
    assert "Choose exactly two" in text(told)


def test_every_page_of_the_one_who_went_leads_to_the_one_who_stays_until_they_are_parted(
    client: Client, ada: User
) -> None:
    ours, theirs = pair()
    made = merging.merge(ours, theirs, by=ada, now=NOW)
    for name in ("person", "person_timeline"):
        told = client.get(reverse(name, args=[theirs.pk]))
        assert (told.status_code, told.url) == (301, reverse(name, args=[ours.pk]))
        assert "no-store" in told["Cache-Control"]
    shown = text(client.get(reverse("merge", args=[made.pk])))
    assert "Part them again" in shown and "their time in it begins anew" in shown
    factories.activity(ours, NOW, recorded_at=NOW.replace(year=2026))
    assert "1 activities" in text(client.get(reverse("merge", args=[made.pk])))
    told = client.post(reverse("merge_part", args=[made.pk]), follow=True)
    assert "They are two again" in text(told)
    assert client.get(reverse("person", args=[theirs.pk])).status_code == 200
    assert AuditEntry.objects.latest("pk").action == "person.part"
    told = client.post(reverse("merge_part", args=[made.pk]), follow=True)
    assert "parted again already" in text(told)
    # Whoever was parted is no candidate any more.
    duplicates.find(NOW)
    assert not Duplicate.objects.filter(state="open").exists()


def test_a_salesperson_merges_their_own_and_nobody_elses(client: Client) -> None:
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    client.force_login(sal)
    ours, theirs = pair()
    Person.objects.filter(pk=ours.pk).update(owner=sal)
    url = reverse("person_merge", args=[ours.pk])
    assert "Robert" not in text(client.get(url, {"with": theirs.pk}))
    client.post(url, {"with": theirs.pk, "do": "merge"})
    assert not Merge.objects.exists()
    duplicates.find(NOW)
    assert "Robert" not in text(client.get(reverse("duplicates")))
    Person.objects.filter(pk=theirs.pk).update(owner=sal)
    client.post(url, {"with": theirs.pk, "do": "merge"})
    assert Merge.objects.get().merged_by == sal


# ---- API ----


def test_programs_merge_find_where_somebody_went_and_part_again() -> None:
    client = asking.by(asking.user(User.Role.MARKETER))
    ours, theirs = pair()
    duplicates.find(NOW)
    [told] = client.get("/api/v1/duplicates/?of=person").json()["results"]
    assert (told["one"], told["other"], told["why"][0]["rule"]) == (ours.pk, theirs.pk, "email_plus")
    body: dict[str, Any] = {
        "survivor": ours.pk,
        "merged": theirs.pk,
        "take": {"city": "merged", "first_name": "survivor"},
    }
    made = client.post("/api/v1/merges/", body, content_type="application/json")
    assert (made.status_code, made.json()["undoable"]) == (201, True)
    assert client.get(f"/api/v1/people/{ours.pk}/").json()["city"] == "Köln"
    for method in ("get", "patch"):
        gone = getattr(client, method)(f"/api/v1/people/{theirs.pk}/", content_type="application/json")
        problem = gone.json()
        assert (gone.status_code, problem["code"], problem["merged_into"]) == (410, "merged", ours.pk)
    again = client.post("/api/v1/merges/", body, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "already_merged")
    upserted = client.post(
        "/api/v1/people/upsert/", {"system": "crm", "email": "bob+fair@firm.example"}, content_type="application/json"
    )
    assert upserted.json()["id"] == ours.pk
    undone = client.post(f"/api/v1/merges/{made.json()['id']}/undo/", content_type="application/json")
    assert undone.status_code == 200 and undone.json()["undone_at"]
    assert client.get(f"/api/v1/people/{theirs.pk}/").status_code == 200
    assert set(Change.objects.filter(kind="merge").values_list("action", flat=True)) == {"created", "changed"}


@pytest.mark.django_db(transaction=True)
def test_whoever_follows_the_feed_hears_that_somebody_was_merged_and_that_they_are_two_again() -> None:
    client = asking.by(asking.user(User.Role.MARKETER))
    ours, theirs = pair()

    def told(cursor: str = "") -> tuple[dict[tuple[str, int], str], str]:
        heard: dict[tuple[str, int], str] = {}
        more = True
        while more:
            page = client.get("/api/v1/changes/", {"cursor": cursor} if cursor else {}).json()
            heard |= {(each["kind"], each["id"]): each["action"] for each in page["results"]}
            cursor, more = page["cursor"], page["more"]
        return heard, cursor

    _before, cursor = told()
    made = merging.merge(ours, theirs, by=None, now=NOW)
    heard, cursor = told(cursor)
    assert heard["person", theirs.pk] == "merged" and heard["merge", made.pk] == "created"
    merging.part(made, by=None, now=NOW)
    heard, _cursor = told(cursor)
    assert heard["person", theirs.pk] == "changed" and heard["merge", made.pk] == "changed"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"survivor": 1, "merged": 1}, "unknown_person"),
        ({"survivor": 2**63, "merged": 1}, "number_out_of_range"),
        ({"survivor": 0, "merged": 1}, "min_value"),
        ({"merged": 1}, "required"),
        ({"of": "deal", "survivor": 1, "merged": 2}, "invalid_choice"),
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any], code: str) -> None:
    client = asking.by(asking.user(User.Role.MARKETER))
    answer = client.post("/api/v1/merges/", body, content_type="application/json")
    problem = answer.json()
    assert answer.status_code == 400
    assert code in {problem["code"], *(each["code"] for each in problem.get("errors", []))}


def test_a_field_that_neither_has_cannot_be_taken() -> None:
    client = asking.by(asking.user(User.Role.MARKETER))
    ours, theirs = pair()
    body = {"survivor": ours.pk, "merged": theirs.pk, "take": {"owner_id": "merged"}}
    answer = client.post("/api/v1/merges/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")
    assert not Merge.objects.exists()


# ---- erasure, rollback ----


@pytest.mark.parametrize("way", ["known one goes", "known one stays"])
def test_an_erasure_empties_both_and_they_are_never_parted_again(way: str) -> None:
    world = worlds.build()
    survivor, other = (world.other, world.person) if way == "known one goes" else (world.person, world.other)
    made = merging.merge(survivor, other, by=world.by, now=NOW)
    assert worlds.found(*worlds.WORDS)
    erasure.erase(Person.objects.get(pk=survivor.pk), by=world.by, now=NOW)
    assert worlds.found(*worlds.WORDS) == []
    made.refresh_from_db()
    assert made.was == {} and made.values == {}
    with pytest.raises(merging.Refused, match="erased"):
        merging.part(made, by=world.by, now=NOW)


def test_what_looks_again_after_erasures_leaves_the_merged_alone() -> None:
    world = worlds.build()
    made = merging.merge(world.other, world.person, by=world.by, now=NOW)
    erasure.look_again(NOW)
    merging.part(made, by=world.by, now=NOW)
    assert AuditEntry.objects.filter(action="person.create").exclude(after={}).exists()


def test_an_import_that_touched_the_merged_is_rolled_back_as_far_as_nobody_built_upon_it() -> None:
    ours = people.create({"email": "bob@firm.example"}, source="shop", by=None, now=NOW)
    imported = bring("email,city,phone\nbob@firm.example,Bonn,\nbob+1@firm.example,Bonn,+49 30 901820\n")
    theirs = Person.objects.get(email="bob+1@firm.example")
    made = merging.merge(ours, theirs, by=None, now=NOW)
    job = rollback.begin(imported, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == "done", job.error
    ours.refresh_from_db()
    assert (ours.city, ours.phone) == ("", "+49 30 901820")
    lines = {
        line.table: dict(line.stays)
        for line in rollback.lines_of(Import.objects.get(pk=imported.pk))
        if not line.values
    }
    assert lines["audience_person"] == {"not there any more": 1}
    merging.part(made, by=None, now=NOW)
    theirs.refresh_from_db()
    assert theirs.email == "bob+1@firm.example" and theirs.erased_at is None
