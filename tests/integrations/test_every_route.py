"""What holds for every operation of the API, found in the router: who may, what is refused, what is answered.

An operation that is not in `TAKES` fails the first test.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from integrations import keys
from kit import rights
from kit.models import User
from tests import asking, factories
from tests.asking import PROBLEM
from tests.integrations import routes, world
from tests.integrations.routes import Route

pytestmark = pytest.mark.django_db

# Each operation: the scope that its key needs, and the right that the key's user needs to change something.
TAKES = {
    "GET people/": "people:read", "POST people/": "people:write people", "POST people/bulk/": "people:write edit",
    "POST people/upsert/": "people:write people", "GET people/{pk}/": "people:read",
    "PATCH people/{pk}/": "people:write people", "GET people/{pk}/consent/": "people:read",
    "POST people/{pk}/consent/": "people:write people", "POST people/{pk}/owner/": "people:write people",
    "POST people/{pk}/tags/": "people:write note",
    "GET people/{pk}/everything/": "people:read", "GET people/{pk}/everything/csv/": "people:read",
    "POST people/{pk}/erase/": "people:write erase", "POST accounts/{pk}/erase/": "people:write erase",
    "GET accounts/": "people:read", "POST accounts/": "people:write people", "POST accounts/bulk/": "people:write edit",
    "POST accounts/upsert/": "people:write people", "GET accounts/{pk}/": "people:read",
    "PATCH accounts/{pk}/": "people:write people", "POST accounts/{pk}/owner/": "people:write people",
    "POST accounts/{pk}/tags/": "people:write note", "GET accounts/{pk}/holdings/": "people:read",
    "GET account-roles/": "people:read", "POST account-roles/": "people:write people",
    "GET account-roles/{pk}/": "people:read", "POST account-roles/{pk}/end/": "people:write people",
    "GET title-rules/": "people:read", "POST title-rules/": "people:write edit",
    "POST title-rules/read/": "people:read", "GET title-rules/preview/": "people:read",
    "POST title-rules/apply/": "people:write edit",
    "GET pipelines/": "deals:read", "POST pipelines/": "deals:write edit", "GET pipelines/{pk}/": "deals:read",
    "PATCH pipelines/{pk}/": "deals:write edit", "DELETE pipelines/{pk}/": "deals:write edit",
    "GET duplicates/": "people:read", "GET duplicates/{pk}/": "people:read",
    "POST duplicates/{pk}/not-the-same/": "people:write merge",
    "GET merges/": "people:read", "POST merges/": "people:write merge", "GET merges/{pk}/": "people:read",
    "POST merges/{pk}/undo/": "people:write merge",
    "GET activities/": "activities:read", "POST activities/": "activities:write note",
    "POST activities/batch/": "activities:write note", "GET activities/{pk}/": "activities:read",
    "GET activities/mix/": "activities:read",
    "POST activities/{pk}/take-back/": "activities:write note",
    "GET fields/": "people:read", "POST fields/": "people:write edit", "GET fields/{pk}/": "people:read",
    "PATCH fields/{pk}/": "people:write edit", "DELETE fields/{pk}/": "people:write edit",
    "GET left-out/": "people:read", "GET left-out/{name}/": "people:read", "PATCH left-out/{name}/": "people:write edit",
    "GET topics/": "people:read", "GET topics/{slug}/": "people:read",
    "POST forms/": "forms:write edit", "PATCH forms/{slug}/": "forms:write edit",
    "POST forms/{slug}/publish/": "forms:write edit", "POST forms/{slug}/close/": "forms:write edit",
    "GET forms/": "forms:read", "GET forms/{slug}/": "forms:read", "GET forms/{form}/submissions/": "forms:read",
    "GET deals/": "deals:read", "POST deals/": "deals:write people", "POST deals/bulk/": "deals:write edit",
    "POST deals/upsert/": "deals:write edit", "GET deals/{pk}/": "deals:read", "GET deals/{pk}/history/": "deals:read", "PATCH deals/{pk}/": "deals:write people",
    "POST deals/{pk}/lose/": "deals:write people", "POST deals/{pk}/move/": "deals:write people",
    "POST deals/{pk}/win/": "deals:write people",
    "GET products/": "deals:read", "POST products/bulk/": "deals:write edit", "POST products/upsert/": "deals:write edit",
    "GET products/{pk}/": "deals:read",
    "GET purchases/": "deals:read", "POST purchases/bulk/": "deals:write edit",
    "POST purchases/upsert/": "deals:write edit", "GET purchases/{pk}/": "deals:read",
    "GET contracts/": "deals:read", "POST contracts/bulk/": "deals:write edit",
    "POST contracts/upsert/": "deals:write edit", "GET contracts/{pk}/": "deals:read", "POST contracts/": "deals:write people",
    "PATCH contracts/{pk}/": "deals:write people", "POST contracts/{pk}/amend/": "deals:write people",
    "GET partner-applications/": "lifecycles:read", "GET partner-applications/{pk}/": "lifecycles:read",
    "POST partner-applications/{pk}/approve/": "lifecycles:write people",
    "POST partner-applications/{pk}/decline/": "lifecycles:write people",
    "POST partner-applications/{pk}/reconsider/": "lifecycles:write people",
    "GET partner-steps/": "lifecycles:read", "GET partner-steps/{pk}/": "lifecycles:read",
    "POST partner-steps/{pk}/done/": "lifecycles:write people",
    "POST partner-steps/{pk}/reopen/": "lifecycles:write people",
    "GET cases/": "deals:read", "GET cases/{pk}/": "deals:read", "POST cases/": "deals:write people",
    "PATCH cases/{pk}/": "deals:write people", "POST cases/{pk}/close/": "deals:write people",
    "GET costs/": "deals:read", "POST costs/": "deals:write edit", "GET costs/{pk}/": "deals:read",
    "PATCH costs/{pk}/": "deals:write edit", "DELETE costs/{pk}/": "deals:write edit",
    "GET costs/per-month/": "deals:read",
    "GET exchange-rates/": "deals:read", "POST exchange-rates/": "deals:write edit",
    "GET exchange-rates/{pk}/": "deals:read", "DELETE exchange-rates/{pk}/": "deals:write edit",
    "GET activity-kinds/": "activities:read", "POST activity-kinds/": "activities:write edit",
    "GET activity-kinds/{pk}/": "activities:read", "PATCH activity-kinds/{pk}/": "activities:write edit",
    "DELETE activity-kinds/{pk}/": "activities:write edit",
    "GET channels/": "activities:read", "POST channels/": "activities:write edit",
    "GET channels/{pk}/": "activities:read", "PATCH channels/{pk}/": "activities:write edit",
    "DELETE channels/{pk}/": "activities:write edit",
    "GET retractions/": "activities:read", "POST retractions/": "activities:write edit",
    "POST retractions/preview/": "activities:write edit", "GET retractions/{pk}/": "activities:read",
    "POST retractions/{pk}/undo/": "activities:write edit",
    "GET segments/": "segments:read", "POST segments/": "segments:write edit", "GET segments/{slug}/": "segments:read",
    "PATCH segments/{slug}/": "segments:write edit", "DELETE segments/{slug}/": "segments:write edit",
    "POST segments/{slug}/let-leave/": "segments:write edit", "POST segments/{slug}/refresh/": "segments:write edit",
    "GET segments/{slug}/why/": "segments:read", "GET segments/{segment}/members/": "segments:read",
    "POST segments/{segment}/members/": "segments:write edit",
    "POST conditions/check/": "segments:read", "GET conditions/fields/": "segments:read",
    "GET readiness/": "people:read", "GET readiness/{name}/": "people:read", "GET best-customers/": "people:read",
    "GET look-alikes/": "people:read",
    "GET imports/": "imports:read", "POST imports/": "imports:write edit", "GET imports/{pk}/": "imports:read",
    "POST imports/{pk}/begin/": "imports:write edit", "GET imports/{pk}/rollback/": "imports:read",
    "POST imports/{pk}/rollback/": "imports:write edit", "POST imports/{pk}/rollback/preview/": "imports:write edit", "GET imports/{imported}/rejects/": "imports:read",
    "GET imports/{imported}/rejects/csv/": "imports:read",
    "GET import-mappings/": "imports:read", "POST import-mappings/": "imports:write edit",
    "GET import-mappings/{pk}/": "imports:read", "PATCH import-mappings/{pk}/": "imports:write edit",
    "DELETE import-mappings/{pk}/": "imports:write edit",
    "GET import-schedules/": "imports:read", "POST import-schedules/": "imports:write edit",
    "GET import-schedules/{pk}/": "imports:read", "PATCH import-schedules/{pk}/": "imports:write edit",
    "DELETE import-schedules/{pk}/": "imports:write edit", "POST import-schedules/{pk}/start/": "imports:write edit",
    "POST import-schedules/{pk}/pause/": "imports:write edit", "POST import-schedules/{pk}/resume/": "imports:write edit",
    "GET reports/funnel/": "reports:read", "GET reports/hand-offs/": "reports:read", "GET reports/loops/": "reports:read", "GET reports/leaks/": "reports:read",
    "GET reports/costs/": "reports:read", "GET reports/pipeline/": "reports:read", "GET reports/retention/": "reports:read", "GET reports/concentration/": "reports:read",
    "GET reports/time/": "reports:read", "GET reports/partners/": "reports:read",
    "GET reports/lift/": "reports:read", "GET reports/lift/{slug}/": "reports:read",
    "GET reports/lift/{slug}/people/": "reports:read", "GET reports/ledger/": "reports:read",
    "POST reports/ledger/check/": "reports:write operate", "GET reports/people/": "reports:read",
    "GET reports/customers/": "reports:read", "GET reports/book/": "reports:read",
    "GET jobs/": "imports:read", "GET jobs/{pk}/": "imports:read",
    "POST jobs/{pk}/cancel/": "imports:write operate", "POST jobs/{pk}/retry/": "imports:write operate",
    "GET lifecycles/": "lifecycles:read", "POST lifecycles/": "lifecycles:write edit",
    "GET lifecycles/{slug}/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/versions/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/versions/{number}/": "lifecycles:read",
    "DELETE lifecycles/{lifecycle}/versions/{number}/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/versions/{number}/check/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/versions/{number}/document/": "lifecycles:read",
    "PUT lifecycles/{lifecycle}/versions/{number}/document/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/versions/{number}/cards/{stage}/": "lifecycles:read",
    "PUT lifecycles/{lifecycle}/versions/{number}/cards/{stage}/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/versions/{number}/preview/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/versions/{number}/publish/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/versions/{number}/resume/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/versions/{number}/changes/{since}/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/versions/{number}/plan/": "lifecycles:read",
    "POST lifecycles/{lifecycle}/versions/{number}/decide/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/versions/{number}/roll-back/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/versions/{number}/withdraw/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/stages/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/backtests/": "lifecycles:read",
    "POST lifecycles/{lifecycle}/backtests/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/backtests/{pk}/": "lifecycles:read",
    "DELETE lifecycles/{lifecycle}/backtests/{pk}/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/backtests/{pk}/people/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/backtests/{pk}/moved/": "lifecycles:read",
    "GET lifecycles/{lifecycle}/backtests/{pk}/movements/": "lifecycles:read",
    "POST lifecycles/{lifecycle}/backtests/{pk}/take/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/starting-points/": "lifecycles:read",
    "POST lifecycles/{lifecycle}/starting-points/look/": "lifecycles:write edit",
    "GET lifecycles/{lifecycle}/starting-points/{key}/members/": "lifecycles:read",
    "POST lifecycles/{lifecycle}/starting-points/{key}/accept/": "lifecycles:write edit",
    "POST lifecycles/{lifecycle}/starting-points/{key}/undo/": "lifecycles:write edit",
    "GET working-calendars/public-holidays/": "lifecycles:read",
    "GET working-calendars/": "lifecycles:read", "POST working-calendars/": "lifecycles:write administer",
    "GET working-calendars/{slug}/": "lifecycles:read", "PATCH working-calendars/{slug}/": "lifecycles:write administer",
    "DELETE working-calendars/{slug}/": "lifecycles:write administer",
    "GET overrides/": "lifecycles:read", "GET overrides/summary/": "lifecycles:read",
    "GET memberships/": "lifecycles:read", "GET memberships/{pk}/": "lifecycles:read",
    "POST memberships/{pk}/move/": "lifecycles:write move",
    "GET movements/": "lifecycles:read", "GET movements/{pk}/": "lifecycles:read",
    "POST movements/{pk}/undo/": "lifecycles:write move",
    "GET hand-offs/": "lifecycles:read", "GET hand-offs/{pk}/": "lifecycles:read",
    "POST hand-offs/{pk}/accept/": "lifecycles:write move", "POST hand-offs/{pk}/reject/": "lifecycles:write move",
    "POST hand-offs/{pk}/not-now/": "lifecycles:write move", "POST hand-offs/{pk}/pass-on/": "lifecycles:write move",
    "GET scoring-models/": "scores:read", "POST scoring-models/": "scores:write edit",
    "GET scoring-models/{slug}/": "scores:read", "POST scoring-models/{slug}/rescore/": "scores:write operate",
    "GET scoring-models/{model}/versions/": "scores:read",
    "GET scoring-models/{model}/versions/{number}/": "scores:read",
    "DELETE scoring-models/{model}/versions/{number}/": "scores:write edit",
    "POST scoring-models/{model}/versions/{number}/preview/": "scores:write edit",
    "POST scoring-models/{model}/versions/{number}/publish/": "scores:write edit",
    "POST scoring-models/{model}/versions/{number}/retire/": "scores:write edit",
    "GET scores/": "scores:read", "GET scores/{pk}/": "scores:read", "GET score-changes/": "scores:read",
    "GET campaigns/": "campaigns:read", "GET campaigns/{slug}/": "campaigns:read",
    "GET campaigns/{slug}/checklist/": "campaigns:read", "POST campaigns/{slug}/launch/": "campaigns:write edit",
    "POST campaigns/{slug}/pause/": "campaigns:write edit", "POST campaigns/{slug}/resume/": "campaigns:write edit",
    "POST campaigns/{slug}/stop/": "campaigns:write edit",
    "GET campaigns/{campaign}/versions/": "campaigns:read",
    "GET campaigns/{campaign}/versions/{number}/": "campaigns:read",
    "GET enrollments/": "campaigns:read", "POST enrollments/": "campaigns:write edit",
    "GET enrollments/{pk}/": "campaigns:read",
    "GET messages/": "campaigns:read", "GET messages/{pk}/": "campaigns:read",
    "POST messages/{pk}/resend/": "campaigns:write operate",
    "GET changes/": "any",
    "GET webhooks/": "webhooks:read", "POST webhooks/": "webhooks:write administer",
    "GET webhooks/{pk}/": "webhooks:read", "PATCH webhooks/{pk}/": "webhooks:write administer",
    "DELETE webhooks/{pk}/": "webhooks:write administer", "POST webhooks/{pk}/pause/": "webhooks:write administer",
    "POST webhooks/{pk}/resume/": "webhooks:write administer", "POST webhooks/{pk}/rotate/": "webhooks:write administer",
    "POST webhooks/{pk}/test/": "webhooks:write administer", "POST webhooks/{pk}/replay/": "webhooks:write administer",
    "GET webhook-deliveries/": "webhooks:read", "GET webhook-deliveries/{pk}/": "webhooks:read",
    "POST webhook-deliveries/{pk}/replay/": "webhooks:write administer",
}  # fmt: skip

# What the things of the world are in no state for: a fixed list has no condition, a live version is no draft …
IN_ANOTHER_STATE = {
    "POST title-rules/apply/",
    "POST segments/{slug}/let-leave/", "POST segments/{slug}/refresh/", "POST imports/", "POST imports/{pk}/begin/",
    "POST imports/{pk}/rollback/", "POST imports/{pk}/rollback/preview/", "DELETE import-mappings/{pk}/",
    "POST lifecycles/{lifecycle}/starting-points/{key}/accept/", "POST lifecycles/{lifecycle}/starting-points/{key}/undo/",
    "POST jobs/{pk}/retry/", "POST lifecycles/{lifecycle}/backtests/{pk}/take/", "POST lifecycles/{lifecycle}/versions/{number}/preview/",
    "PUT lifecycles/{lifecycle}/versions/{number}/document/",
    "POST lifecycles/{lifecycle}/versions/{number}/decide/", "POST lifecycles/{lifecycle}/versions/{number}/roll-back/",
    "POST lifecycles/{lifecycle}/versions/{number}/withdraw/",
    "POST lifecycles/{lifecycle}/versions/{number}/publish/", "POST lifecycles/{lifecycle}/versions/{number}/resume/",
    "POST scoring-models/{model}/versions/{number}/retire/", "POST campaigns/{slug}/launch/",
    "POST campaigns/{slug}/resume/", "POST messages/{pk}/resend/",
}  # fmt: skip

# What nobody should send, with the codes by which it may be refused.
BAD_BODIES: dict[str, tuple[bytes, set[str]]] = {
    "10,000 deep": (b"[" * 10_000 + b"]" * 10_000, {"json_too_deep"}),
    "an object 10,000 deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {"json_too_deep"}),
    "NUL": (b'{"a": "x\\u0000y"}', {"bad_unicode"}),
    "half a character": (b'{"a": "\\ud800"}', {"bad_unicode"}),
    "half a character as a key": (b'{"\\udfff": 1}', {"bad_unicode"}),
    "NaN": (b'{"a": NaN}', {"number_out_of_range"}),
    "infinite": (b'{"a": -Infinity}', {"number_out_of_range"}),
    "1e400": (b'{"a": 1e400}', {"number_out_of_range"}),
    "5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", {"number_out_of_range"}),
    "65 bits": (b'{"a": 18446744073709551616}', {"number_out_of_range"}),
    "a key twice": (b'{"a": 1, "a": 2}', {"duplicate_key"}),
    "an unknown field": (b'{"is_staff": true}', {"unknown_field"}),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), {"not_utf8"}),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), {"not_utf8"}),
    "half of it": (b'{"a": [1, 2', {"bad_json"}),
    "no JSON": (b"a=1&b=2", {"bad_json"}),
    "a list": (b'[{"a": 1}]', {"invalid", "unknown_field"}),
    "a number": (b"7", {"invalid", "unknown_field"}),
    "a text": (b'"x"', {"invalid", "unknown_field"}),
}
NASTY = [
    "\x00", "'", '"', "%", "\\", "😀", "\u202e", "A" * 5000, "-1", "0", "9" * 30, "1e400", "null", "[]", "{}", "../..",
    "1;DROP TABLE audience_person", "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"), "true\n", "2025-02-30",
    "0000-00-00", "9999-12-31T23:59:59-23:59",
]  # fmt: skip


@pytest.fixture
def ada() -> User:
    return asking.user(User.Role.ADMIN)


def told(answer: Any) -> dict[str, Any]:
    """The problem that an answer is, whatever it says. Raises AssertionError for anything else."""
    assert answer["Content-Type"] == PROBLEM, (answer.status_code, answer["Content-Type"], answer.content[:200])
    problem: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(problem) and problem["status"] == answer.status_code
    return problem


def sent(client: Client, route: Route, parts: dict[str, dict[str, Any]], body: Any = b"{}", **more: Any) -> Any:
    """The answer to one request, of which nothing stays."""
    address = route.at(parts.get(route.address.split("/")[0], {}))
    with transaction.atomic():
        answer = client.generic(route.method, address, body, content_type="application/json", **more)
        transaction.set_rollback(True)
    return answer


def writing() -> Iterator[Route]:
    return (each for each in routes.every() if each.method in ("POST", "PUT", "PATCH"))


def test_every_operation_says_what_it_takes() -> None:
    assert {str(route) for route in routes.every()} == set(TAKES)


def test_a_key_of_another_scope_a_role_without_the_right_and_who_has_both(ada: User) -> None:
    """The whole matrix: every operation, every role, a key with its scope, one with all others, one that reads."""
    _sal, own, _foreign = world.made()
    wrong: list[Any] = []
    every = keys.all_scopes()
    with_all = {role: asking.by(asking.user(role, f"{role}@example.com")) for role in User.Role}
    for route in routes.every():
        scope, _space, right = TAKES[str(route)].partition(" ")
        area = scope.partition(":")[0]
        if scope != "any":
            others = asking.by(ada, *(each for each in every if not each.startswith(area + ":")))
            if (code := told(sent(others, route, own))["code"]) != "scope_missing":
                wrong.append((str(route), "with every other scope", code))
        if (
            scope.endswith(":write")
            and told(sent(asking.by(ada, f"{area}:read"), route, own))["code"] != "scope_missing"
        ):
            wrong.append((str(route), "with the scope to read"))
        for role, client in with_all.items():
            answer = sent(client, route, own)
            lacks = bool(right) and role not in rights.RIGHTS[right]
            refused = answer.status_code == 403 and answer.json()["code"] == "role_may_not"
            if refused != lacks or answer.status_code >= 500 or answer.status_code == 401:
                wrong.append((str(route), role, answer.status_code, answer.content[:200]))
    assert wrong == []


def test_nobody_is_answered_without_a_key(client: Client, ada: User) -> None:
    _sal, own, _foreign = world.made()
    client.force_login(ada)
    assert {sent(client, route, own).status_code for route in routes.every()} == {401}


def test_what_is_somebody_elses_is_nothing_to_a_salesperson() -> None:
    sal, own, foreign = world.made()
    client = asking.by(sal)
    wrong = []
    for route in (each for each in routes.every() if each.address.split("/")[0] in world.OF_SUBJECTS):
        resource = route.address.split("/")[0]
        if route.is_of_one:
            mine, theirs = sent(client, route, own), sent(client, route, foreign)
            lacks = mine.status_code == 403 and mine.json()["code"] == "role_may_not"
            if not lacks and (mine.status_code == 404 or theirs.status_code != 404):
                wrong.append((str(route), mine.status_code, theirs.status_code))
        elif route.method == "GET":
            said = sent(client, route, own).json()
            if route.address == "activities/mix/":  # what one of the two did, whenever that was
                told = client.get(f"/api/v1/{route.address}?since=2000-01-01").json()["total"]
                if told["reached"] != 2:  # own person and account
                    wrong.append((str(route), told))
                continue
            if "guards" in said:  # the list counted: one move of each of the two
                if sum(each["moves"] for each in said["guards"]) != 1:
                    wrong.append((str(route), said))
                continue
            seen = {str(each["id"]) for each in said["results"]}
            if str(own[resource]["pk"]) not in seen or str(foreign[resource]["pk"]) in seen:
                wrong.append((str(route), seen))
    assert wrong == []


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_a_bad_body_is_refused_by_every_operation_that_takes_one(ada: User, kind: str) -> None:
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    body, codes = BAD_BODIES[kind]
    wrong = []
    for route in writing():
        answer = sent(client, route, own, body)
        problem = told(answer)
        found = {problem["code"]} | {each["code"] for each in problem.get("errors", ())}
        if answer.status_code != 400 or not codes & found:
            wrong.append((str(route), answer.status_code, problem["code"]))
    assert wrong == []


def test_a_body_of_another_kind_or_beyond_the_limit_is_refused_everywhere(ada: User, settings: Any) -> None:
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    wrong = []
    for route in writing():
        address = route.at(own.get(route.address.split("/")[0], {}))
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
            answer = client.generic(route.method, address, b"<a/>", content_type=kind)
            if told(answer)["code"] != "unsupported_media_type":
                wrong.append((str(route), kind, answer.status_code))
        answer = client.generic(
            route.method, address, b'{"a": "' + b"x" * 2000 + b'"}', content_type="application/json"
        )
        if told(answer)["code"] != "body_too_large":
            wrong.append((str(route), answer.status_code))
        chunked = {"HTTP_TRANSFER_ENCODING": "chunked"}
        answer = client.generic(route.method, address, b"{}", content_type="application/json", **chunked)
        if told(answer)["code"] != "length_required":
            wrong.append((str(route), "chunked", answer.status_code))
    assert wrong == []


def test_methods_that_an_address_does_not_have_are_told_so(ada: User) -> None:
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    has: dict[str, set[str]] = {}
    for route in routes.every():
        has.setdefault(route.address, set()).add(route.method)
    for address, methods in has.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"} - methods:
            route = Route(method, address, "", routes.Resource, False)
            answer = sent(client, route, own)
            assert (answer.status_code, told(answer)["code"]) == (405, "method_not_allowed"), str(route)
            assert set(answer["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == methods, str(route)


def test_nasty_words_in_an_address_are_refused_or_find_nothing(ada: User) -> None:
    """Every parameter that the document knows, and every part of an address: all words at first, then some of them."""
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    document = client.get("/api/v1/openapi.json").json()
    wrong = []
    words = itertools.cycle(NASTY)
    met = set()

    def words_for(name: str) -> list[str]:
        known = name in met
        met.add(name)
        return [next(words)] if known else NASTY

    def ask(address: str, asked: dict[str, str] | None = None) -> None:
        with transaction.atomic():
            answer = client.get(address, asked)
            transaction.set_rollback(True)
        good = answer.status_code == 200 and answer["Content-Type"] == "application/json"
        if not good and (answer.status_code >= 500 or told(answer)["code"] == "unexpected"):
            wrong.append((address, asked, answer.status_code))

    for route in (each for each in routes.every() if each.method == "GET"):
        parts = own.get(route.address.split("/")[0], {})
        address = route.at(parts)
        described = document["paths"][_described(document, route)]["get"]
        for parameter in (each["name"] for each in described.get("parameters", ()) if each["in"] == "query"):
            for word in words_for(parameter):
                ask(address, {parameter: word})
        for name in parts:
            if f"{{{name}}}" in route.address:
                for word in words_for(f"{{{name}}}"):
                    ask(routes.PREFIX + route.address.format(**parts | {name: _quoted(word)}))
    assert wrong == []


def example(document: dict[str, Any], route: Route) -> Any:
    """What the document shows as the body of an operation; an empty object where nothing is told."""
    told = document["paths"][_described(document, route)][route.method.lower()].get("requestBody", {})
    shown = told.get("content", {}).get("application/json", {}).get("examples", {})
    return next((each["value"] for each in shown.values()), {})


def _quoted(word: str) -> str:
    return "".join(f"%{byte:02X}" for byte in word.encode())


def _described(document: dict[str, Any], route: Route) -> str:
    """The path of the document that describes a route: it may name the parts otherwise."""
    outline = [part if "{" not in part else "{}" for part in (routes.PREFIX + route.address).split("/")]
    return next(
        path for path in document["paths"] if [part if "{" not in part else "{}" for part in path.split("/")] == outline
    )


def test_every_post_looks_at_its_idempotency_key_and_says_so_in_the_document(ada: User) -> None:
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    document = client.get("/api/v1/openapi.json").json()
    for route in (each for each in routes.every() if each.method == "POST"):
        answer = sent(client, route, own, headers={"Idempotency-Key": "x" * 201})
        assert told(answer)["code"] == "bad_idempotency_key", str(route)
        described = document["paths"][_described(document, route)]["post"]
        assert "Idempotency-Key" in {each["name"] for each in described["parameters"]}, str(route)
        assert ("requestBody" in described) != route.bodiless, str(route)


def test_every_post_that_is_sent_again_is_done_once(ada: User) -> None:
    """What is sent is what the document shows as an example, or nothing where nothing is told."""
    _sal, own, _foreign = world.made()
    asking.user(User.Role.SALES, "sam@perennial.example")
    acme = factories.account(name="Acme", domain="acme.example")
    factories.person(email="ann@example.com", account=acme)
    bodies = {
        "POST people/": {"email": "bob@example.com"},
        "POST people/upsert/": {"email": "bob@example.com"},
        "POST lifecycles/": {"playbook": "net_new_b2b"},
        "POST memberships/{pk}/move/": {"to": "engaged", "reason": "Called us", "seq": 2},
        "POST hand-offs/{pk}/not-now/": {"until": (timezone.localdate() + timedelta(days=30)).isoformat()},
        "POST hand-offs/{pk}/pass-on/": {"to": ada.pk},
        "POST people/{pk}/erase/": {"confirm": "ann@kestrel.example"},
        "POST accounts/{pk}/erase/": {"confirm": "kestrel.example"},
        "POST cases/{pk}/close/": {},
        "POST deals/": {"name": "Twelve sensors", "account": {"domain": "acme.example"}},
        "POST retractions/": {"asked": {"kind": "call"}, "reason": "scanner"},
        "POST enrollments/": {"campaign": "nurture", "person": acme.people.get().pk},
        "POST merges/": {"survivor": own["people"]["pk"], "merged": acme.people.get().pk},
    }
    client = asking.by(ada)
    document = client.get("/api/v1/openapi.json").json()
    done = set()
    for route in (each for each in routes.every() if each.method == "POST"):
        address = route.at(own.get(route.address.split("/")[0], {}))
        body = json.dumps(bodies.get(str(route), example(document, route)))
        headers = {"Idempotency-Key": str(route)}
        with transaction.atomic():
            first = client.post(address, body, content_type="application/json", headers=headers)
            again = client.post(address, body, content_type="application/json", headers=headers)
            transaction.set_rollback(True)
        assert "Idempotent-Replayed" not in first, str(route)
        if first.status_code < 400:
            done.add(str(route))
            assert (again.status_code, again.content) == (first.status_code, first.content), str(route)
            assert again["Idempotent-Replayed"] == "true", str(route)
    undone = {str(each) for each in routes.every() if each.method == "POST"} - done
    assert undone == {each for each in IN_ANOTHER_STATE if each.startswith("POST ")}


def test_every_single_thing_has_an_etag_and_is_not_sent_again(ada: User) -> None:
    _sal, own, _foreign = world.made()
    client = asking.by(ada)
    seen = 0
    for route in (each for each in routes.every() if each.action == "retrieve"):
        answer = sent(client, route, own)
        assert answer.status_code == 200 and answer["ETag"].startswith('"'), (str(route), answer.content[:200])
        again = sent(client, route, own, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b""), str(route)
        seen += 1
    assert seen > 5
