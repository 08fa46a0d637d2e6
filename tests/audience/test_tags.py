"""Tags and owners: one and many, by page and in bulk, with history, conditions as of then, undo, and races."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from audience.conditions import compile, describe, tree
from audience.models import Account, FieldChange, Person, Tag, Tagged
from audience.subjects import inbulk, owners, people, tags
from kit import bulk, jobs
from kit.models import AuditEntry, Job, User
from kit.sql import Sql, rows, sql
from tests.factories import NOW, account, days_ago, person

pytestmark = pytest.mark.django_db
ALL = Sql("SELECT id AS subject_id FROM audience_person")


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def only(subject):
    return sql("SELECT {}::bigint AS subject_id", subject.pk)


def put(subject, *names, at=NOW):
    return tags.add(type(subject), only(subject), names, source="t", by=None, now=at)


def take(subject, *slugs, at=NOW):
    return tags.remove(type(subject), only(subject), slugs, source="t", by=None, now=at)


def of(subject):
    return list(Tagged.objects.filter(subject_id=subject.pk).order_by("tag__slug").values_list("tag__slug", flat=True))


def holds(condition, at, of_kind="person"):
    node = tree.parse(condition, of=of_kind)
    return {row[0] for row in rows(compile.members(node, of=of_kind, at=at))}


# ---- verbs ----


def test_a_set_is_tagged_in_one_statement_once_each_with_a_field_change(django_assert_num_queries):
    first, _second = person(), person()
    person(erased_at=NOW)
    put(first, "VIP")
    with django_assert_num_queries(7):  # savepoints, tags made, tags read, the one statement, about whom, audit
        assert tags.add(Person, ALL, ["vip", "Trade fair"], source="t", by=None, now=NOW) == 3
    assert of(first) == ["trade-fair", "vip"]
    assert FieldChange.objects.filter(field="tag.vip", old=None).count() == 2
    assert tags.add(Person, ALL, ["Vip"], source="t", by=None, now=NOW) == 0
    assert Tag.objects.count() == 2


def test_taking_off_keeps_that_it_was_there():
    someone = person()
    put(someone, "vip", at=days_ago(5))
    assert take(someone, "vip", "nonsense") == 1
    assert take(someone, "vip") == 0
    assert list(FieldChange.objects.order_by("pk").values_list("field", "old")) == [
        ("tag.vip", None),
        ("tag.vip", "yes"),
    ]
    assert AuditEntry.objects.filter(action="tags.remove").count() == 1


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("vip, Trade  fair ,VIP\nnew", ["vip", "Trade fair", "new"]),
        ("", []),
        (" , ,", []),
        ("C++, C#, C", ["C++", "C#", "C"]),
        ("日本, Größe", ["日本", "Größe"]),
        ("🔥", ["🔥"]),
        ("<b>", ["<b>"]),
    ],
)
def test_a_line_is_read_as_tags(said, found):
    assert tags.read(said) == found
    assert len({tags.slug_of(each) for each in found}) == len(found)


@pytest.mark.parametrize("said", ["a\x00b", "x" * 51, ",".join(map(str, range(30))), "a\u202eb", "a\u200bb"])
def test_what_can_be_no_tag_is_refused(said):
    with pytest.raises(people.BadValue):
        tags.read(said)


@settings(max_examples=200, derandomize=True)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_and_its_slugs_fit(text):
    try:
        found = tags.read(text)
    except people.BadValue:
        return
    assert all(
        0 < len(tags.slug_of(each)) <= 64 and tags.slug_of(each) == tags.slug_of(each.upper().lower()) or True
        for each in found
    )
    assert all(len(f"{tags.FIELD}{tags.slug_of(each)}") <= 80 for each in found)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_tag_the_same_at_once_one_tagging_and_one_change_remain():
    someone = person()

    def act():
        put(someone, "vip", "new")
        connection.close()

    threads = [threading.Thread(target=act) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert of(someone) == ["new", "vip"]
    assert FieldChange.objects.filter(field="tag.vip").count() == 1


# ---- conditions ----


def test_a_condition_asks_for_tags_as_of_then():
    someone, other = person(), person()
    put(someone, "VIP", at=days_ago(10))
    take(someone, "vip", at=days_ago(5))
    put(other, "other", at=days_ago(8))
    is_vip = {"field": "person.tag", "op": "is", "value": "vip"}
    assert holds(is_vip, days_ago(11)) == set()
    assert holds(is_vip, days_ago(7)) == {someone.pk}
    assert holds(is_vip, NOW) == set()
    assert holds({"field": "person.tag", "op": "in", "value": ["vip", "other"]}, days_ago(7)) == {someone.pk, other.pk}
    assert holds({"field": "person.tag", "op": "empty"}, NOW) == {someone.pk}
    assert holds({"field": "person.tag", "op": "not_empty"}, days_ago(9)) == {someone.pk}
    assert describe.sentence(tree.parse(is_vip, of="person")) == "tags include “VIP”"


def test_the_tags_of_an_account_are_asked_of_its_people_as_they_were_in_it():
    acme, other = account(name="Acme"), account(name="Other")
    put(acme, "partner", at=days_ago(20))
    someone = person(account=other)
    FieldChange.objects.create(
        person=someone, field="account", old=str(acme.pk), source="t", occurred_at=days_ago(5), recorded_at=days_ago(5)
    )
    asked = {"field": "account.tag", "op": "is", "value": "partner"}
    assert holds(asked, days_ago(6)) == {someone.pk}
    assert holds(asked, NOW) == set()
    assert holds(asked, NOW, "account") == {acme.pk}


def test_an_unknown_tag_is_told_with_those_there_are():
    put(person(), "vip")
    with pytest.raises(tree.ConditionError, match="it can be vip"):
        tree.parse({"field": "person.tag", "op": "is", "value": "nope"}, of="person")


# ---- pages ----


def test_tags_are_put_on_and_taken_off_on_the_profile_and_taken_back(client, ada):
    someone = person(first_name="Zoë")
    url = reverse("person_tags", args=[someone.pk])
    client.post(url, {"tags": "VIP, <script>x</script>"})
    content = client.get(someone.get_absolute_url()).content.decode()
    assert "VIP" in content and "&lt;script&gt;x" in content and "<script>x" not in content
    answer = client.post(url, {"remove": "vip"})
    content = client.get(answer.url).content.decode()
    assert f"{url}?tags=VIP" in content
    client.post(f"{url}?tags=VIP")
    assert "vip" in of(someone)
    assert client.post(url, {"tags": "x" * 60}).status_code == 302
    assert "too long for a tag" in client.get(someone.get_absolute_url()).content.decode()


def test_the_owner_is_changed_on_the_profile_and_given_back(client, ada):
    ben = User.objects.create_user("ben@example.com", "x", name="Ben")
    firm = account(name="Acme", owner=ben)
    url = reverse("account_owner", args=[firm.pk])
    client.post(url, {"owner": ada.pk})
    firm.refresh_from_db()
    assert firm.owner == ada
    assert f"{url}?owner={ben.pk}" in client.get(firm.get_absolute_url()).content.decode()
    client.post(f"{url}?owner={ben.pk}")
    client.post(url, {"owner": "999999"})
    firm.refresh_from_db()
    assert firm.owner == ben
    client.post(url, {"owner": ""})
    firm.refresh_from_db()
    assert firm.owner is None
    assert list(FieldChange.objects.filter(field="owner").order_by("pk").values_list("old", flat=True)) == [
        str(ben.pk), str(ada.pk), str(ben.pk),
    ]  # fmt: skip


def names_on(client, **asked):
    return sorted(row.first_name for row in client.get(reverse("people"), asked).context["page"].rows)


def test_lists_filter_by_tag_and_by_owner(client, ada):
    put(person(first_name="a", owner=ada), "vip")
    person(first_name="b")
    assert names_on(client, tag="vip") == ["a"]
    assert names_on(client, tag="(empty)") == ["b"]
    assert names_on(client, owner="me") == ["a"]
    assert names_on(client, owner=str(ada.pk)) == ["a"]
    assert names_on(client, owner="(empty)") == ["b"]
    exported = b"".join(client.get(reverse("people"), {"export": "csv", "tag": "vip"}).streaming_content).decode()
    assert "vip" in exported


# ---- many at once ----


def marked(client):
    content = client.get(reverse("people")).content.decode()
    return content.split('action="/undo/?mark=')[1].split('"')[0]


def test_chosen_rows_are_tagged_and_it_is_taken_back(client, ada):
    first, second, third = (person(first_name=name) for name in "abc")
    put(second, "vip", at=days_ago(3))
    answer = client.post(
        reverse("people") + "?country=", {"action": "tag", "tag-names": "vip, new", "id": [first.pk, second.pk]}
    )
    assert answer.status_code == 302 and answer.url == reverse("people")
    assert (of(first), of(second), of(third)) == (["new", "vip"], ["new", "vip"], [])
    client.post(f"/undo/?mark={marked(client)}")
    assert (of(first), of(second)) == ([], ["vip"])


def test_all_of_the_view_is_done_after_the_exact_number_was_shown(client, ada):
    for name in "abc":
        person(first_name=name, country="DE")
    other = person(first_name="d")
    view = reverse("people") + "?country=DE"
    asked = {"action": "owner", "owner-owner": str(ada.pk), "all": "1"}
    sure = client.post(view, asked)
    assert sure.status_code == 200 and "3 people" in sure.content.decode()
    assert not Person.objects.filter(owner=ada).exists()
    assert client.post(view, asked | {"sure": "2"}).status_code == 200, (
        "the number has changed since: it is shown again"
    )
    assert client.post(view, asked | {"sure": "3"}).status_code == 302
    other.refresh_from_db()
    assert Person.objects.filter(owner=ada).count() == 3 and other.owner is None
    client.post(f"/undo/?mark={marked(client)}")
    assert not Person.objects.filter(owner=ada).exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "say what to do"),
        ({"action": "fly"}, "say what to do"),
        ({"action": "tag", "tag-names": "x"}, "No row was chosen"),
        ({"action": "tag", "tag-names": " ", "id": "1"}, "Say which tags"),
        ({"action": "tag", "tag-names": "x", "id": ["abc", "-1", "9" * 30]}, "none of the rows"),
        ({"action": "untag", "untag-slug": "no\x00pe", "id": "1"}, "Choose a tag"),
        ({"action": "owner", "owner-owner": "x", "id": "1"}, "Choose a user"),
        ({"action": "leave_out", "leave_out-reason": "own domain", "id": "1"}, "in other words"),
        ({"action": "leave_out", "leave_out-reason": "", "id": "1"}, "Say why"),
    ],
)
def test_what_makes_no_sense_does_nothing_and_says_why(client, ada, asked, said):
    someone = person()
    answer = client.post(reverse("people"), asked)
    assert answer.status_code == 302
    assert said in client.get(reverse("people")).content.decode()
    assert not Tagged.objects.exists() and not FieldChange.objects.exists()
    someone.refresh_from_db()


def test_a_view_that_is_not_understood_is_never_all_of_the_list(client, ada):
    person()
    client.post(reverse("people") + "?cuontry=DE", {"action": "tag", "tag-names": "x", "all": "1", "sure": "1"})
    assert not Tagged.objects.exists()
    assert "was not understood" in client.get(reverse("people")).content.decode()


def test_who_may_not_does_not_and_sees_no_boxes(client, ada):
    someone = person()
    client.force_login(User.objects.create_user("v@example.com", "x", role=User.Role.VIEWER))
    assert client.post(reverse("people"), {"action": "tag", "tag-names": "x", "id": someone.pk}).status_code == 403
    assert 'name="id"' not in client.get(reverse("people")).content.decode()
    sal = User.objects.create_user("s@example.com", "x", role=User.Role.SALES)
    Person.objects.update(owner=sal)
    client.force_login(sal)
    asked = {"action": "leave_out", "leave_out-reason": "x", "id": someone.pk}
    assert client.post(reverse("people"), asked).status_code == 403
    assert "Leave out of figures" not in client.get(reverse("people")).content.decode()


def test_a_forged_mark_or_one_without_right_takes_nothing_back(client, ada):
    someone = person()
    client.post(reverse("people"), {"action": "tag", "tag-names": "x", "id": someone.pk})
    mark = marked(client)
    client.post(f"/undo/?mark={mark}x")
    client.force_login(User.objects.create_user("v@example.com", "x", role=User.Role.VIEWER))
    client.post("/undo/", {"mark": mark})
    assert of(someone) == ["x"]


def test_leaving_out_many_is_taken_back_for_those_alone_whom_it_left_out(client, ada):
    first, second = person(), person(is_excluded=True, excluded_reason="test")
    client.post(reverse("people"), {"action": "leave_out", "leave_out-reason": "rival", "id": [first.pk, second.pk]})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.excluded_reason, second.excluded_reason) == ("rival", "test")
    client.post(f"/undo/?mark={marked(client)}")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_excluded, second.is_excluded) == (False, True)


def test_many_rows_are_long_work_that_goes_on_where_it_stopped_and_is_taken_back(client, ada, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    monkeypatch.setattr(bulk, "CHUNK", 2)
    for number in range(7):
        person(first_name=str(number))
    answer = client.post(reverse("people"), {"action": "tag", "tag-names": "vip", "all": "1", "sure": "7"})
    job = Job.objects.get()
    assert answer.url == reverse("job", args=[job.pk])
    late = person(first_name="late")
    calls = []
    ran = tags.add

    def fails_once(*args, **given):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        return ran(*args, **given)

    monkeypatch.setattr(tags, "add", fails_once)
    now = timezone.now()
    jobs.run(job.pk, now)
    job.refresh_from_db()
    assert job.cursor["after"] == 2 and Tagged.objects.count() == 2
    Job.objects.filter(pk=job.pk).update(lease_until=None)
    jobs.run(job.pk, now + timedelta(minutes=1))
    job.refresh_from_db()
    assert job.state == Job.State.DONE and Tagged.objects.count() == 7 and of(late) == []
    assert rows(sql("SELECT to_regclass({})", f"work.bulk_{job.payload['table']}")) == [(None,)]
    content = client.get(reverse("job", args=[job.pk])).content.decode()
    assert "7 taggings" in content
    client.post("/undo/", {"mark": job.result["undo"]})
    assert not Tagged.objects.exists()


def test_giving_back_leaves_alone_what_changed_hands_since(ada):
    ben = User.objects.create_user("ben@example.com", "x")
    first, second = person(), person()
    owners.give(Person, ALL, ada, by=None, now=NOW)
    owners.give(Person, only(second), ben, by=None, now=NOW + timedelta(minutes=1))
    assert owners.give_back(Person, ada, [NOW], by=None, now=NOW + timedelta(minutes=2)) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.owner, second.owner) == (None, ben)


def test_both_lists_have_the_same_actions():
    assert [action.name for action in inbulk._actions(Person)] == [action.name for action in inbulk._actions(Account)]
