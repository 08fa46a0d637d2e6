"""Segments and conditions over the API: made, changed, asked; every refusal names its node."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audience import segments
from audience.models import Field, Segment, SegmentMember
from kit.models import AuditEntry, User
from tests.asking import Api, user
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db
GERMAN = {"field": "person.country", "op": "is", "value": "DE"}


@pytest.fixture
def api() -> Api:
    return Api(user(User.Role.MARKETER, "ada@example.com"))


def test_a_segment_is_made_filled_changed_and_deleted(api: Api) -> None:
    ann, bob = person(country="DE"), person(country="FR")
    made = api.post("/segments/", {"name": "Germans", "condition": GERMAN}, 201)
    assert (made["slug"], made["size"], made["kind"], made["condition"]) == ("germans", 1, "dynamic", GERMAN)
    assert made["sentence"] and made["created_by"] == "ada@example.com"
    assert [each["subject"] for each in api.pages("/segments/germans/members/")] == [ann.pk]
    changed = api.patch("/segments/germans/", {"condition": {"not": GERMAN}})
    assert (changed["name"], changed["size"]) == ("Germans", 1)
    assert [each["subject"] for each in api.pages("/segments/germans/members/")] == [bob.pk]
    assert api.patch("/segments/germans/", {"name": "Others"})["condition"] == {"not": GERMAN}
    assert api.raw("delete", "/segments/germans/").status_code == 204 and not Segment.objects.exists()
    told = AuditEntry.objects.filter(action__startswith="segment.")
    assert set(told.values_list("actor", flat=True)) == {"ada@example.com (sync)"}


def test_a_fixed_list_is_filled_and_emptied_by_number(api: Api) -> None:
    people = [person() for _each in range(5)]
    ids = [each.pk for each in people]
    made = api.post("/segments/", {"name": "Invited", "members": ids[:2]}, 201)
    assert (made["kind"], made["size"], made["condition"], made["sentence"]) == ("static", 2, None, "")
    told = api.post("/segments/invited/members/", {"add": [*ids[1:4], 2**63 - 1], "remove": [ids[0], ids[4]]})
    assert told == {"added": 2, "removed": 1, "size": 3}
    assert [each["subject"] for each in api.pages("/segments/invited/members/?limit=2")] == ids[1:4]
    api.refused("patch", "/segments/invited/", {"condition": GERMAN}, 409, "fixed_list")
    api.refused("post", "/segments/invited/refresh/", None, 409, "fixed_list")
    api.post("/segments/", {"name": "Germans", "condition": GERMAN}, 201)
    api.refused("post", "/segments/germans/members/", {"add": ids}, 409, "by_condition")


@pytest.mark.parametrize(
    ("condition", "code", "node"),
    [
        ({"field": "person.nope", "op": "is", "value": 1}, "unknown_field", ["field"]),
        ({"all": [GERMAN, {"not": {"field": "activity.count", "op": "at_least", "value": "x"}}]}, "wrong_type", ["all", "2", "not", "value"]),
        ({"any": [GERMAN | {"op": "like"}]}, "unknown_operator", ["any", "1", "op"]),
        ({"all": [GERMAN] * 1000}, "too_many", ["all", "200"]), ({"all": 7}, "wrong_shape", ["all"]), ({"some": []}, "unknown_key", []),
        ({"all": [GERMAN | {"sql": "DROP TABLE"}]}, "unknown_key", ["all", "1"]),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_asked_is_refused_at_its_node(
    api: Api, condition: Any, code: str, node: list[str]
) -> None:
    told = api.refused("post", "/segments/", {"name": "x", "condition": condition}, 400, code)
    assert told["node"] == node and told["field"] == ".".join(["condition", *node])
    assert told.get("limit") == (200 if code == "too_many" else None)
    checked = api.post("/conditions/check/", {"condition": condition})
    assert (checked["errors"][0]["code"], checked["errors"][0]["node"], checked["count"]) == (code, node, None)
    assert not Segment.objects.exists()


def test_a_segment_of_everybody_or_of_itself_or_of_nothing_is_refused(api: Api) -> None:
    api.refused("post", "/segments/", {"name": "All", "condition": {}}, 400, "segment_refused")
    assert api.refused("post", "/segments/", {"name": "x"}, 400, "required")["field"] == "condition"
    api.refused("post", "/segments/", {"name": "x", "condition": GERMAN, "members": []}, 400, "required")
    api.refused("post", "/segments/", {"name": "x", "condition": [GERMAN]}, 400, "no_condition")
    api.post("/segments/", {"name": "A", "condition": GERMAN}, 201)
    api.post("/segments/", {"name": "B", "condition": {"field": "segment.a", "op": "is", "value": True}}, 201)
    circle = {"condition": {"field": "segment.b", "op": "is", "value": True}}
    assert "“A”" in api.refused("patch", "/segments/a/", circle, 400, "segment_refused")["detail"]
    told = api.refused("delete", "/segments/a/", None, 409, "in_use")
    assert told["users"] == [{"what": "Segment", "name": "B"}]


def test_a_condition_is_tried_out_and_nothing_is_kept(api: Api) -> None:
    ann = person(country="DE")
    person(country="FR")
    told = api.post("/conditions/check/", {"condition": GERMAN})
    counted = {"errors": [], "count": 1, "margin": None, "sample": [ann.pk], "trouble": ""}
    assert told == {"sentence": told["sentence"], **counted} and told["sentence"]
    assert api.post("/conditions/check/", {"of": "account", "condition": {}})["count"] == 0
    reader = Api(User.objects.get(), "segments:read")
    assert reader.post("/conditions/check/", {"condition": GERMAN})["count"] == 1
    reader.refused("post", "/segments/", {"name": "x", "condition": GERMAN}, 403, "scope_missing")


def test_what_can_be_asked_is_listed(api: Api) -> None:
    fields = {each["name"]: each for each in api.get("/conditions/fields/")}
    assert fields["person.country"]["type"] == "text" and {"is", "in"} <= {
        each["name"] for each in fields["person.country"]["operators"]
    }
    assert "account.employees" in {each["name"] for each in api.get("/conditions/fields/?of=account")}
    api.refused("get", "/conditions/fields/?of=cat", None, 400, "invalid_choice")
    Field.objects.create(
        of="person", slug="plan", label="Plan", type="choice", choices=["a", ["b", "B"]], created_at=NOW
    )
    assert api.get("/fields/?of=person")["results"][0]["choices"] == ["a", "b"]


def test_why_somebody_is_in_or_out_is_told_part_by_part(api: Api) -> None:
    ann, bob, acme = person(country="DE"), person(country="FR"), account()
    api.post("/segments/", {"name": "Germans", "condition": {"all": [GERMAN]}}, 201)
    told = api.get(f"/segments/germans/why/?subject={ann.pk}")
    assert told["is_in"] and told["since"] and told["why"]["word"] == "all" and told["why"]["parts"][0]["found"] == "DE"
    told = api.get(f"/segments/germans/why/?subject={bob.pk}")
    assert (told["is_in"], told["since"], told["why"]["held"], told["why"]["parts"][0]["found"]) == (
        False,
        None,
        False,
        "FR",
    )
    api.refused("get", f"/segments/germans/why/?subject={acme.pk}", None, 404, "not_found")
    api.refused("get", "/segments/germans/why/", None, 404, "not_found")
    api.refused("get", "/segments/germans/why/?subject=x", None, 400, "bad_number")


def test_lists_are_narrowed_and_cost_the_same_for_one_and_many(api: Api, django_assert_num_queries: Any) -> None:
    for each in range(3):
        segments.create(f"S{each}", of="person", condition=GERMAN, by=None, now=timezone.now())
    segments.create(
        "Firms",
        of="account",
        condition={"field": "account.country", "op": "is", "value": "DE"},
        by=None,
        now=timezone.now(),
    )
    assert [each["name"] for each in api.pages("/segments/?of=account")] == ["Firms"]
    assert [each["name"] for each in api.pages("/segments/?ordering=-name&limit=3")] == ["S2", "S1", "S0", "Firms"]
    with django_assert_num_queries(3):  # the key, its allowance, the page
        assert len(api.get("/segments/")["results"]) == 4


def test_a_salespersons_key_sees_its_own_among_the_members_and_changes_nothing() -> None:
    mine, other = (user(User.Role.SALES, email) for email in ("mine@example.com", "other@example.com"))
    own, foreign = person(country="DE", owner=mine), person(country="DE", owner=other)
    made = segments.create("Germans", of="person", condition=GERMAN, by=None, now=timezone.now())
    api = Api(mine)
    assert SegmentMember.objects.filter(segment=made).count() == 2 == api.get("/segments/germans/")["size"]
    assert [each["subject"] for each in api.pages("/segments/germans/members/")] == [own.pk]
    assert api.post("/conditions/check/", {"condition": GERMAN})["sample"] == [own.pk]
    api.refused("get", f"/segments/germans/why/?subject={foreign.pk}", None, 404, "not_found")
    api.refused("post", "/segments/", {"name": "x", "condition": GERMAN}, 403, "role_may_not")
    api.refused("post", "/segments/germans/members/", {"add": [own.pk]}, 403, "role_may_not")
    api.refused("delete", "/segments/germans/", None, 403, "role_may_not")
    api.refused("get", "/segments/nope/members/", None, 404, "not_found")
