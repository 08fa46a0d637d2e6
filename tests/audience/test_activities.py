"""Activities are recorded once, in one statement, for the account as it then was; by hand, and taken back."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audience.activity import activities
from audience.models import Activity, ActivityKind, FieldChange, Person
from audience.subjects import people
from kit.models import AuditEntry, User
from kit.sql import Sql, sql
from tests.factories import NOW, account, days_ago, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER, zone="Asia/Shanghai")
    client.force_login(made)
    return made


def test_a_set_is_one_statement_and_told_again_it_changes_nothing(django_assert_num_queries):
    ActivityKind.objects.create(slug="call", label="Call", channel="phone", direction="outbound")
    for _ in range(3):
        person()
    rows = sql(
        """SELECT id AS person_id, k AS kind, {}::timestamptz AS occurred_at, k || '/' || id AS external_id,
                  2.5 AS value FROM audience_person, unnest({}::text[]) k""",
        days_ago(1),
        ["call", "new_kind"],
    )
    columns = ["person_id", "kind", "occurred_at", "external_id", "value"]
    with django_assert_num_queries(3):  # a savepoint around it
        assert activities.record_many(rows, columns, source="feed", now=NOW) == 6
    assert activities.record_many(rows, columns, source="feed", now=NOW) == 0
    assert activities.record_many(rows, columns, source="other feed", now=NOW) == 6
    call = Activity.objects.filter(kind__slug="call").first()
    assert (call.channel, call.direction, call.value, call.recorded_at) == ("phone", "outbound", Decimal("2.5"), NOW)
    assert ActivityKind.objects.count() == 2


def test_it_counts_for_the_account_that_the_person_belonged_to_when_it_happened():
    old, new = account(name="Old"), account(name="New")
    someone, nomad = person(account=new), person(account=new)
    for whom, was in ((someone, str(old.pk)), (nomad, None)):
        FieldChange.objects.create(
            person=whom, field="account", old=was, source="t", occurred_at=days_ago(5), recorded_at=days_ago(5)
        )
    for number, (whom, days) in enumerate([(someone, 6), (someone, 4), (nomad, 6)]):
        activities.record(whom, kind="call", at=days_ago(days), source="t", external_id=str(number), now=NOW)
    found = dict(Activity.objects.values_list("external_id", "account"))
    assert found == {"0": old.pk, "1": new.pk, "2": None}


def test_whoever_did_something_earlier_was_seen_then_and_the_erased_get_nothing():
    someone, gone = person(), person(erased_at=NOW)
    activities.record(someone, kind="call", at=days_ago(300), source="t", now=NOW)
    assert not activities.record(gone, kind="call", at=days_ago(3), source="t", now=NOW)
    someone.refresh_from_db()
    assert someone.first_seen_at == days_ago(300)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"kind": "!!"}, "kind"),
        ({"direction": "sideways"}, "direction"),
        ({"at": NOW + timedelta(seconds=1)}, "occurred_at"),
        ({"channel": "x" * 33}, "channel"),
        ({"channel": "a\x00b"}, "channel"),
    ],
)
def test_what_cannot_be_is_told_by_its_field(told, field):
    with pytest.raises(people.BadValue) as bad:
        activities.record(person(), **{"kind": "call", "at": NOW, "source": "t", "now": NOW} | told)
    assert bad.value.field == field
    with pytest.raises(TypeError):
        activities.record_many(Sql("SELECT 1 AS x"), ["x"], source="t", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_tell_the_same_at_once_one_is_written_even_of_a_kind_that_is_new():
    someone, won = person(), []

    def tell():
        won.append(activities.record(someone, kind="Brand new", at=NOW, source="t", external_id="1", now=NOW))
        connection.close()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(won) == [False, False, False, True]
    assert Activity.objects.count() == ActivityKind.objects.count() == 1


# ---- pages ----


def test_a_call_is_recorded_in_the_readers_zone_and_stands_in_the_timeline(client, ada):
    someone = person(first_name="Zoë")
    url = reverse("person_record", args=[someone.pk])
    once = client.get(url).context["form"]["once"].value()
    told = {
        "kind": "call",
        "direction": "outbound",
        "occurred_at": "2025-06-14T09:30",
        "summary": "<b>Wants</b> a price",
        "once": once,
    }
    assert client.post(url, told).url == someone.get_absolute_url()
    assert client.post(url, told).status_code == 302, "an impatient second click"
    made = Activity.objects.get()
    assert (made.occurred_at.isoformat(), made.source, made.channel) == (
        "2025-06-14T01:30:00+00:00",
        "by hand",
        "phone",
    )
    content = client.get(someone.get_absolute_url()).content.decode()
    assert "&lt;b&gt;Wants&lt;/b&gt; a price" in content and "Take back" in content
    assert AuditEntry.objects.filter(action="activity.record").count() == 1


def test_what_is_still_to_come_is_a_task_and_nothing_typed_is_lost(client, ada):
    firm = account(name="Acme")
    later = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    url = reverse("account_record", args=[firm.pk])
    answer = client.post(url, {"kind": "meeting", "occurred_at": later, "summary": "Plan", "once": "1"})
    content = answer.content.decode()
    assert answer.status_code == 400 and "What is still to come is a task" in content and "Plan" in content
    assert client.post(url, {"kind": "nonsense", "occurred_at": "yesterday", "once": ""}).status_code == 400


def test_what_was_recorded_by_hand_is_taken_back_once_and_what_a_system_told_is_not(client, ada):
    someone = person()
    activities.record(someone, kind="call", at=days_ago(1), source="by hand", external_id="1", now=NOW)
    activities.record(someone, kind="call", at=days_ago(1), source="crm", external_id="1", now=NOW)
    mine, theirs = Activity.objects.get(source="by hand"), Activity.objects.get(source="crm")
    assert client.post(reverse("activity_take_back", args=[theirs.pk])).status_code == 404
    client.post(reverse("activity_take_back", args=[mine.pk]))
    client.post(reverse("activity_take_back", args=[mine.pk]))
    assert Activity.objects.filter(reversal_of=mine).count() == 1
    content = client.get(someone.get_absolute_url()).content.decode()
    assert "taken back" in content and reverse("activity_take_back", args=[mine.pk]) not in content
    reversal = Activity.objects.get(reversal_of=mine)
    assert not activities.take_back(reversal, by=None, now=NOW)
    assert Person.objects.get() == someone
