"""What other systems tell of a cookie or a device waits, and is the person's once somebody says who it is."""

from datetime import timedelta

import pytest

from audience import consent
from audience.activity import visitors
from audience.models import Activity, Dirty, Person, Visitor, WaitingActivity
from audience.subjects import erasure
from kit import installation
from kit.models import User
from tests import asking
from tests.factories import NOW, days_ago, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return asking.by(asking.user())


def post(api, address, body):
    return api.post(f"/api/v1/{address}", body, content_type="application/json")


def hit(key, cookie="c-1", ago=5, **more):
    told = {"external_id": key, "kind": "page_hit", "occurred_at": days_ago(ago).isoformat(), "anonymous_id": cookie}
    return told | more


def batch(api, *rows, source="mautic", **more):
    return post(api, "activities/batch/", {"source": source, "activities": list(rows), **more}).json()


def theirs(whom):
    return list(Activity.objects.filter(person=whom).order_by("occurred_at").values_list("external_id", flat=True))


def test_what_a_stranger_did_waits_and_is_nobody_s(api):
    told = batch(api, hit("h1"), hit("h2", value=2.5, properties={"page": "/prices"}), hit("h3", "other"))
    assert (told["new"], told["known"], told["waiting"], told["errors"]) == (3, 0, 3, [])
    told = batch(api, hit("h1"), hit("h4"))
    assert (told["new"], told["known"], told["waiting"]) == (1, 1, 2)
    assert not Activity.objects.exists() and not Dirty.objects.exists()
    assert WaitingActivity.objects.count() == 4 and Visitor.objects.count() == 2
    one = post(api, "activities/", {"source": "mautic", **hit("h5")})
    assert one.status_code == 202 and one.json() == {"waiting": True}


def test_an_activity_with_both_names_makes_all_of_it_theirs(api):
    ann = person(email="ann@acme.example")
    batch(api, hit("h1", ago=9, channel="email", actor="bot"), hit("h2", ago=8), hit("x1", "other"))
    batch(api, hit("h1"), source="crm")  # another system's cookie of the same name is another
    Dirty.objects.all().delete()
    told = batch(api, hit("h3", ago=7, person={"email": "ann@acme.example"}))
    assert (told["new"], told["waiting"]) == (1, 0)
    assert theirs(ann) == ["h1", "h2", "h3"]
    first = Activity.objects.get(external_id="h1", source="mautic")
    assert (first.channel, first.actor, first.occurred_at) == ("email", "bot", days_ago(9))
    assert first.recorded_at > first.occurred_at  # whoever asks what was known then is told nothing of it
    assert set(Dirty.objects.values_list("subject_id", flat=True)) == {ann.pk}
    assert set(WaitingActivity.objects.values_list("source", "external_id")) == {("mautic", "x1"), ("crm", "h1")}
    assert batch(api, hit("h4", ago=1))["waiting"] == 0  # known by now
    assert theirs(ann) == ["h1", "h2", "h3", "h4"]
    assert batch(api, hit("h1"))["known"] == 1 and len(theirs(ann)) == 4


def test_a_person_who_is_told_with_the_anonymous_id_has_the_history(api):
    batch(api, hit("h1", ago=9), source="app")
    body = {"system": "app", "email": "ann@acme.example", "anonymous_id": "c-1"}
    made = post(api, "people/upsert/", body)
    assert made.status_code == 201
    ann = Person.objects.get()
    assert theirs(ann) == ["h1"] and ann.first_seen_at == days_ago(9)
    assert post(api, "people/upsert/", body).status_code == 200


def test_when_somebody_else_uses_the_device_each_keeps_their_own(api):
    ann, bob = person(email="ann@x.example"), person(email="bob@x.example")
    batch(api, hit("a1", ago=9, person={"email": "ann@x.example"}))
    batch(api, hit("b1", ago=0, person={"email": "bob@x.example"}))
    batch(api, hit("late", ago=6))
    assert (theirs(ann), theirs(bob)) == (["a1", "late"], ["b1"])


def test_what_names_nobody_or_only_an_account_is_refused(api):
    rows = [hit("1", None), hit("2", "x" * 201), hit("3", 7), hit("4", account={"domain": "acme.example"})]
    told = batch(api, *rows)
    assert [(each["row"], each["code"], each["field"]) for each in told["errors"]] == [
        (0, "required", "person"), (1, "too_long", "anonymous_id"), (2, "wrong_type", "anonymous_id"),
        (3, "required", "person"),
    ]  # fmt: skip
    assert not WaitingActivity.objects.exists() and not Visitor.objects.exists()


def test_a_salesperson_s_key_makes_nothing_the_history_of_whom_others_look_after(api):
    person(email="ann@x.example")
    batch(api, hit("h1"))
    sal = asking.by(asking.user(User.Role.SALES, "sal@example.com"))
    told = batch(sal, hit("h2", person={"email": "ann@x.example"}))
    assert [each["code"] for each in told["errors"]] == ["unknown_person"]
    assert not Activity.objects.exists() and WaitingActivity.objects.count() == 1


def test_of_whoever_objects_to_it_nothing_becomes_history(api):
    ann = person(email="ann@x.example")
    batch(api, hit("h1"))
    consent.withdraw(ann, topic=None, channel=consent.TRACKING, source="page", at=NOW, now=NOW)
    visitors.become(visitors.elsewhere("mautic", "c-1"), ann, now=NOW)
    assert not Activity.objects.exists() and not WaitingActivity.objects.exists()


def test_strangers_are_forgotten_as_their_page_views_are(api):
    installation.put("page_views_kept_days", 30)
    batch(api, hit("old", "a", ago=40), hit("new", "b", ago=10))
    visitors.forget(NOW)
    assert list(WaitingActivity.objects.values_list("external_id", flat=True)) == ["new"]
    assert Visitor.objects.count() == 1


def test_whoever_is_erased_leaves_no_device_behind(api):
    ann = person(email="ann@x.example")
    batch(api, hit("h1", person={"email": "ann@x.example"}))
    erasure.erase(ann, by=None, now=NOW + timedelta(days=1))
    assert not Visitor.objects.exists() and not WaitingActivity.objects.exists()


def test_a_batch_of_many_strangers_asks_as_often_as_one_of_few(api, django_assert_max_num_queries):
    for number in range(40):
        person(email=f"p{number}@x.example")
    batch(api, *(hit(f"h{number}", f"c{number}") for number in range(40)))
    with django_assert_max_num_queries(45):
        batch(api, *(hit(f"k{n}", f"c{n}", person={"email": f"p{n}@x.example"}) for n in range(40)))
    assert Activity.objects.count() == 80 and not WaitingActivity.objects.exists()
