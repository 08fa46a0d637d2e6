"""Every page that is about somebody, by every role: whom a salesperson does not see is not there for them.

Which route is about whose thing stands in `ABOUT`, so that a new route is thought about here; `test_api` does the same
for the resources of the REST API.
"""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.db import transaction
from django.urls import reverse

from kit import rights
from kit.models import User
from kit.sql import Sql, value
from tests.kit.test_rights import TAKES, routes
from tests.sight import world as worlds

pytestmark = pytest.mark.django_db

# The thing that the address of a route names, where it is one that belongs to somebody. What is not a subject's own
# (a segment, a job, a campaign) is everybody's, and what its page lists is held by the crawl.
ABOUT = {
    **dict.fromkeys(("note_edit", "note_remove", "note_restore"), "note"),
    **dict.fromkeys(("task", "task_done", "task_reopen", "task_remove", "task_restore"), "task"),
    **dict.fromkeys(
        ("person", "person_timeline", "person_edit", "person_tags", "person_owner", "person_deal", "person_record",
         "person_consent", "person_everything", "person_erase", "segment_why", "campaign_trace", "campaign_enroll_one",
         "person_contract", "person_claim", "person_case", "person_merge"), "person"
    ),
    **dict.fromkeys(
        ("account", "account_people", "account_timeline", "account_edit", "account_tags", "account_owner",
         "account_deal", "account_record", "account_contract", "account_roles", "account_claim", "account_case",
         "account_merge", "account_erase", "partner_certify"), "account"
    ),
    **dict.fromkeys(("deal", "deal_edit", "deal_roles", "deal_products"), "deal"),
    **dict.fromkeys(("contract", "contract_edit", "contract_amend"), "contract"),
    "case": "case", "case_edit": "case",
    **dict.fromkeys(
        ("partner_application", "partner_approve", "partner_decline", "partner_reconsider"), "application"
    ),
    "partner_step": "partner_step",
    "activity_take_back": "activity", "consent_take_back": "consent",
    **dict.fromkeys(("handoff", "handoff_accept", "handoff_reject", "handoff_not_now", "handoff_pass_on"), "handoff"),
    "membership_move": "membership", "movement_undo": "movement", "bulk_undo": "bulk", "bulk_override": "bulk",
    "duplicate_two": "pair", "merge": "merge", "merge_part": "merge",
    "message": "message", "message_resend": "message", "letter": "letter", "letter_body": "letter",
    # The subject stands in the form.
    "note_add": "person", "task_new": "person",
}  # fmt: skip
IN_FORM = {"note_add": "subject", "task_new": "subject"}
MISSING = 10**12
SLUGS = {"segment": "chosen", "campaign": "nurture", "report": "nurture", "scoring": "lead", "content": "nurture_one",
         "topic": "news", "form": "newsletter", "lifecycle": "small", "api": "people", "working": "emea"}  # fmt: skip
KINDS = {"campaign_step_new": "send", "scoring_rule_new": "fit"}
# What else an address may name by a number: everybody's, and why it may be. What such a page lists is held by the crawl.
NUMBERED = {
    "import": "import", "import_map": "import", "import_go": "import", "import_roll_back": "import", "import_rejects": "import", "job": "job",
    "import_mapping": "import_mapping", "import_mapping_delete": "import_mapping",
    **dict.fromkeys(("import_schedule", "import_schedule_edit", "import_schedule_start", "import_schedule_pause",
                     "import_schedule_delete"), "import_schedule"),
    "job_cancel": "job", "job_retry": "job", "suppression_lift": "suppression", "report_note_remove": "chart_note",
    "campaign_step": "campaign_step", "campaign_step_move": "campaign_step", "campaign_step_remove": "campaign_step",
    "sender_edit": "sender", "sender_retire": "sender", "scoring_rule": "scoring_rule",
    "scoring_rule_move": "scoring_rule", "scoring_rule_remove": "scoring_rule", "bulk_move": "bulk_move",
    **dict.fromkeys(("backtest", "backtest_people", "backtest_segment", "backtest_moved", "backtest_moved_segment", "backtest_movements",
                     "backtest_take", "backtest_remove"), "backtest"),
    **dict.fromkeys(("pipeline", "pipeline_remove", "pipeline_add_stage", "pipeline_earlier"), "pipeline"),
    "channel_domain": "domain", "api_key_revoke": "key",
    **dict.fromkeys(("user", "user_away", "user_close", "user_link", "user_reopen", "user_sign_out"), "user"),
    "kind_edit": "kind", "kind_remove": "kind", "channel_edit": "channel", "channel_remove": "channel",
    "exchange_rate": "rate", "exchange_rate_remove": "rate", "cost_edit": "cost", "cost_remove": "cost", "retraction": "retraction", "retraction_undo": "retraction",
    "custom_field_edit": "field", "custom_field_remove": "field", "team": "team", "team_remove": "team", "audit_entry": "audit",
    **dict.fromkeys(("routing_rule", "routing_rule_move", "routing_rule_remove"), "routing_rule"),
    "notice_open": "notice",
    **dict.fromkeys(("webhook", "webhook_edit", "webhook_pause", "webhook_rotate", "webhook_test", "webhook_replay",
                     "webhook_remove", "webhook_deliveries"), "webhook"),
    **dict.fromkeys(("webhook_delivery", "webhook_delivery_replay"), "webhook_delivery"),
}  # fmt: skip


def given(name, converters, world, pk):
    """Real arguments of a route: `pk` is that of the thing that it is about."""
    first = name.split("_")[0]
    told = {
        "pk": pk, "message_id": pk, "slug": SLUGS.get(first, "small"), "stage": "lead", "token": "garbled",
        "of": "person", "kind": KINDS.get(name, "job"), "number": 1, "other": 1, "uidb64": "MQ", "name": "judge", "key": "1",
        "public_id": "nothing-here", "place": 1,
    }  # fmt: skip
    if name.startswith("lifecycle_edit"):
        told["number"] = world.numbers["draft_number"]
    if name.startswith("report_document"):
        told["slug"] = "small"
    if name.startswith("lifecycle_playbook"):
        told["name"] = "net_new_b2b"
    if name in NUMBERED:
        told["pk"] = world.numbers.get(NUMBERED[name], MISSING)
    if first == "readiness":
        told["name"] = "person.country"
    if first == "scoring" and name not in ("scoring_version", "scoring_document"):
        told["number"] = world.numbers["scoring_number"]
    return {each: told[each] for each in converters}


def address(route, world, pk):
    return reverse(route.name, kwargs=given(route.name, route.pattern.converters, world, pk))


@pytest.fixture
def world():
    return worlds.build()


def missing(route):
    return UUID(int=MISSING) if "message_id" in route.pattern.converters else MISSING


def ask(client, route, world, pk, method):
    """The answer, and nothing of it kept."""
    data = {IN_FORM[route.name]: pk, "body": "Tea", "title": "Ring"} if route.name in IN_FORM else {}
    with transaction.atomic():
        answer = getattr(client, method)(address(route, world, pk), data)
        answer.content  # noqa: B018 - drawn before it is taken back
        told = (answer.status_code, answer.content, answer.headers.get("Location", ""))
        transaction.set_rollback(True)
    client.cookies.pop("messages", None)
    return told


def about(name):
    return [route for route in routes() if route.name in ABOUT and (not name or ABOUT[route.name] == name)]


def test_of_every_route_that_names_something_by_a_number_it_is_said_whose_that_is():
    """An address without a number names nobody; one with a number says here what it is the number of."""
    names = {route.name for route in routes() if {"pk", "message_id"} & set(route.pattern.converters)}
    known = set(ABOUT) | set(NUMBERED)
    assert names | set(IN_FORM) == known, (names | set(IN_FORM)) ^ known
    assert not set(ABOUT) & set(NUMBERED)


def test_whom_a_salesperson_does_not_see_is_answered_like_whom_there_is_not(client, world):
    client.force_login(world.sal)
    for route in about(""):
        right = TAKES[route.name]
        may = right not in rights.RIGHTS or world.sal.role in rights.RIGHTS[right]
        kind, answers = ABOUT[route.name], set()
        for method in ("get", "post"):
            nobody = ask(client, route, world, missing(route), method)
            own = ask(client, route, world, getattr(world.own, kind).pk, method)
            assert own[0] < 500 and (own[0] != 404 or not may), (route.name, method)
            for things in (world.foreign, world.unowned):
                pk = getattr(things, kind).pk
                told = ask(client, route, world, pk, method)
                assert told[0] == nobody[0] and told[0] in (403, 404, 405), (route.name, method, told[0], nobody[0])
                assert _the_same(told[1]) == _the_same(nobody[1]), (route.name, method)
                answers.add(told[0])
        assert answers <= ({404, 405} if may else {403, 404, 405}), (route.name, answers)
        assert 404 in answers or not may, route.name


def _the_same(content):
    """A page without what is new with each answer."""
    return re.sub(r"[A-Za-z0-9]{64}|[0-9a-f]{32}", "", content.decode())


@pytest.mark.parametrize("role", [role for role in User.Role if role != User.Role.SALES])
def test_for_every_other_role_it_makes_no_difference_whose_it_is(client, world, role):
    client.force_login(User.objects.create_user("other@example.com", "x", role=role))
    for route in about(""):
        kind = ABOUT[route.name]
        for method in ("get", "post"):
            told = {
                ask(client, route, world, getattr(things, kind).pk, method)[0]
                for things in (world.own, world.foreign, world.unowned)
            }
            assert len(told) == 1 and told.isdisjoint({404, 500}), (route.name, method, told)


KEPT = (
    "kit_note", "kit_task", "kit_auditentry", "audience_person", "audience_account", "audience_deal",
    "audience_contract", "audience_accountrole", "audience_dealrole", "audience_activity", "audience_consentrecord", "audience_tagged", "audience_fieldchange", "lifecycle_membership",
    "lifecycle_movement", "campaigns_enrollment", "campaigns_message",
)  # fmt: skip


def kept():
    """All that may be written about somebody, as a few letters."""
    tables = " UNION ALL ".join(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {each} t" for each in KEPT)
    return value(Sql(f"SELECT string_agg(md5, '') FROM ({tables}) all_of_it (md5)"))


def test_a_form_about_somebody_who_is_not_seen_changes_nothing(client, world):
    client.force_login(world.sal)
    before = kept()
    filled = {
        "body": "Tea", "title": "Ring", "tags": "vip", "owner": world.sal.pk, "first_name": "Mine", "name": "Mine",
        "kind": "call", "occurred_at": "2025-06-01T10:00", "once": "a" * 32, "given": "no", "source": "call",
        "to": "exit", "reason": "Gone", "seq": world.foreign.membership.seq, "currency": "EUR", "status": "open",
    }  # fmt: skip
    for route in about(""):
        for things in (world.foreign, world.unowned):
            pk = getattr(things, ABOUT[route.name]).pk
            data = filled | ({IN_FORM[route.name]: pk} if route.name in IN_FORM else {})
            assert client.post(address(route, world, pk), data).status_code in (403, 404, 405), route.name
    assert kept() == before


def test_a_form_about_one_s_own_does_change_something(client, world):
    """So that the test before does not pass because nothing ever would."""
    client.force_login(world.sal)
    changed = set()
    for route in about("person"):
        before = kept()
        with transaction.atomic():
            data = {"body": "Tea", "title": "Ring", "tags": "vip", "owner": world.mate.pk, "kind": "call",
                    "occurred_at": "2025-06-01T10:00", "once": "a" * 32, "subject": world.own.person.pk,
                    "given": "no", "source": "call", "name": "New", "currency": "EUR", "status": "open"}  # fmt: skip
            client.post(address(route, world, world.own.person.pk), data)
            if kept() != before:
                changed.add(route.name)
            transaction.set_rollback(True)
    assert {"note_add", "task_new", "person_tags", "person_owner", "person_record", "person_deal"} <= changed


def test_rows_of_files_that_became_nobody_are_for_those_who_see_everybody(client, world):
    url = reverse("import_rejects", args=[world.numbers["import"]])
    client.force_login(world.sal)
    assert client.get(url).status_code == 404
    client.force_login(User.objects.create_user("m@example.com", "x", role=User.Role.ANALYST))
    assert b"Zzunowned" in b"".join(client.get(url).streaming_content)
