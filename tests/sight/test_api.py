"""The REST API by the key of a salesperson: it sees whom its user sees, and no word of others.

A new resource joins by an entry in `ABOUT` or `OF_EVERYBODY`, without which the first test fails. It narrows in its
`get_queryset` by `sight.people(rows, self.request.user)` or one of its like, so that lists, single things and
changes go by one rule.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode
from uuid import UUID

import pytest

from config.api import RESOURCES
from integrations import keys
from kit.models import User
from reporting import metrics
from tests.factories import NOW
from tests.sight import world as worlds
from tests.sight.test_crawl import SPAN
from tests.sight.test_matrix import MISSING

pytestmark = pytest.mark.django_db

# What of somebody's `Things` a resource gives by its key; None: it has lists alone, or its keys are not kept there.
ABOUT: dict[str, str | None] = {
    "people": "person", "accounts": "account", "activities": "activity", "deals": "deal", "purchases": None,
    "contracts": "contract", "account-roles": None, "cases": "case", "segments/<slug:segment>/members": None,
    "changes": None,
    "reports/people": None, "reports/customers": None, "reports/book": None, "reports/lift/<slug:slug>/people": None,
    "imports/<int:imported>/rejects": None, "look-alikes": None, "forms/<slug:form>/submissions": None,
    "partner-applications": "application", "partner-steps": "partner_step",
    "memberships": "membership", "movements": "movement", "overrides": None, "hand-offs": "handoff", "messages": "message", "scores": None, "score-changes": None,
    "enrollments": None, "duplicates": "pair", "merges": "merge",
}  # fmt: skip
# What belongs to nobody in particular, and figures, which are the firm's.
OF_EVERYBODY = {
    "activity-kinds", "channels", "costs", "exchange-rates", "retractions", "fields", "topics", "forms", "products", "pipelines",
    "title-rules", "segments", "conditions", "imports", "import-mappings", "import-schedules", "readiness", "left-out",
    "best-customers",
    *(f"reports/{each}" for each in (
        "funnel", "hand-offs", "time", "loops", "leaks", "costs", "pipeline", "partners", "retention", "concentration", "lift", "ledger")),
    "jobs", "lifecycles", "lifecycles/<slug:lifecycle>/versions", "lifecycles/<slug:lifecycle>/stages",
    "lifecycles/<slug:lifecycle>/backtests", "lifecycles/<slug:lifecycle>/starting-points", "scoring-models",
    "scoring-models/<slug:model>/versions", "campaigns", "campaigns/<slug:campaign>/versions",
    "webhooks", "webhook-deliveries", "working-calendars",
}  # fmt: skip
WITHIN = {"lifecycle": "small", "form": "newsletter", "model": "lead", "campaign": "nurture", "slug": "nurture", "segment": "chosen",
          "imported": "IMPORT"}  # fmt: skip

# The rows behind figures are asked for with the figure.
FIGURES = {
    "reports/people": (metrics.ALL, {"lifecycle": "small", "stage": "lead", "target": "lead"} | SPAN),
    "reports/customers": (metrics.CUSTOMERS, SPAN),
    "reports/lift/<slug:slug>/people": (metrics.CAMPAIGNS, {}),
}


@pytest.fixture
def world():
    return worlds.build()


def with_key(client, user):
    _key, secret = keys.make("Test", keys.all_scopes(), user=user, by=None, now=NOW)
    return lambda url, method="get", **told: getattr(client, method)(
        f"/api/v1/{url}", headers={"Authorization": f"Bearer {secret}"}, **told
    )


def address(resource, key=""):
    return re.sub(r"<\w+:(\w+)>", lambda found: WITHIN[found[1]], resource) + "/" + (f"{key}/" if key else "")


def addresses(resource, world):
    """The addresses of a list: reports want to know what of, and those of rows behind figures are asked for each."""
    at = address(resource).replace("IMPORT", str(world.numbers["import"]))
    if resource not in FIGURES:
        return [at]
    kinds, more = FIGURES[resource]
    asked = [{"metric": each.name, "part": part} | more for each in kinds.values() for part in each.parts or ("",)]
    return [f"{at}?{urlencode(each)}" for each in asked]


def test_of_every_resource_it_is_said_whose_things_it_gives():
    assert set(RESOURCES) == set(ABOUT) | OF_EVERYBODY
    assert not set(ABOUT) & OF_EVERYBODY


def whole(ask, url):
    """All pages of a list, as text."""
    told, answers = "", 0
    while url and answers < 5:
        answer = ask(url)
        assert answer.status_code in (200, 404, 405), (url, answer.content)
        told += answer.content.decode()
        following = json.loads(answer.content).get("next") if answer.status_code == 200 else None
        url, answers = following.partition("/api/v1/")[2] if following else "", answers + 1
    return told


def test_no_list_names_or_counts_whom_the_key_s_user_does_not_see(client, world):
    ask = with_key(client, world.sal)
    everybody = with_key(client, User.objects.create_user("m@example.com", "x", role=User.Role.ADMIN))
    for resource in RESOURCES:
        for at in addresses(resource, world):
            told = whole(ask, at)
            assert not [word for word in worlds.HIDDEN if word in told.lower()], at
        if ABOUT.get(resource):
            pks = {str(getattr(things, ABOUT[resource]).pk) for things in (world.foreign, world.unowned)}
            there = {str(row["id"]) for row in json.loads(ask(address(resource)).content)["results"]}
            assert there.isdisjoint(pks) and str(getattr(world.own, ABOUT[resource]).pk) in there, resource
            assert pks <= {str(row["id"]) for row in json.loads(everybody(address(resource)).content)["results"]}


def test_a_foreign_thing_is_answered_like_one_that_is_not_there_to_reading_and_to_changing(client, world):
    ask = with_key(client, world.sal)
    full = {"to": "engaged", "reason": "Mine", "seq": 1}
    for resource, kind in ABOUT.items():
        if kind is None:
            continue
        own = getattr(world.own, kind).pk
        missing = UUID(int=MISSING) if isinstance(own, UUID) else MISSING
        assert ask(address(resource, own)).status_code == 200, resource
        for things in (world.foreign, world.unowned):
            pk = getattr(things, kind).pk
            for verb, method in (
                ("", "get"), ("", "patch"), ("", "delete"), ("move/", "post"), ("undo/", "post"), ("resend/", "post"),
            ):  # fmt: skip
                for body in ({}, full):
                    told = [_answer(ask, f"{address(resource, each)}{verb}", method, body) for each in (pk, missing)]
                    assert told[0] == told[1] and told[0][0] in (400, 403, 404, 405), (resource, verb, told)
            assert _answer(ask, address(resource, pk), "get", {})[0] == 404, resource
    world.foreign.membership.refresh_from_db()
    assert world.foreign.membership.stage.slug == "lead"


def _answer(ask, url, method, body):
    more = {} if method == "get" else {"data": json.dumps(body), "content_type": "application/json"}
    answer = ask(url, method, **more)
    told = json.loads(answer.content)
    return answer.status_code, told.get("code"), told.get("detail")
