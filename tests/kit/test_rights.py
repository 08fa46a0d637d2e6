"""Who may do what: every route is known here, and whoever lacks the right to one is refused by it."""

from uuid import UUID

import pytest
from django.urls import URLPattern, get_resolver

from kit import rights
from kit.models import User

pytestmark = pytest.mark.django_db

ANYBODY, SIGNED_IN = "anybody", "signed in"

# Each route by name, and what it takes to POST to it. A route that is not here fails the first test.
TAKES = {
    "sign_in": ANYBODY, "sign_out": SIGNED_IN, "password_forgotten": ANYBODY, "password_set": ANYBODY,
    "home": SIGNED_IN, "jobs": SIGNED_IN, "job": SIGNED_IN, "styleguide": SIGNED_IN, "search": SIGNED_IN,
    "system": SIGNED_IN, "periodic_ask": "operate", "worker_dismiss": "operate",
    "dead_letters": SIGNED_IN, "dead_letter_retry": "operate", "dead_letter_settle": "operate",
    "job_cancel": "operate", "job_retry": "operate", "settings": "administer",
    "working_calendars": "administer", "working_calendar": "administer", "working_calendar_new": "administer",
    "working_calendar_remove": "administer",
    "users": "administer", "user": "administer", "user_invite": "administer", "user_link": "administer", "user_away": "administer",
    "user_close": "administer", "user_reopen": "administer", "user_sign_out": "administer", "roles": "administer",
    "teams": "administer", "team_new": "administer", "team": "administer", "team_remove": "administer",
    "api_reference": SIGNED_IN, "api_reference_group": SIGNED_IN,
    "audit": "administer", "audit_entry": "administer",
    "profile": SIGNED_IN, "profile_password": SIGNED_IN, "profile_sign_out": SIGNED_IN,
    "profile_away": SIGNED_IN, "notices": SIGNED_IN, "notice_open": SIGNED_IN, "notices_read": SIGNED_IN,
    "notices_wish": SIGNED_IN,
    "note_add": "note", "note_edit": "note", "note_remove": "note", "note_restore": "note", "work": SIGNED_IN, "undo": SIGNED_IN,
    "task_new": "note", "task": "note", "task_done": "note", "task_reopen": "note", "task_remove": "note",
    "task_restore": "note",
    "people": SIGNED_IN, "person": SIGNED_IN, "person_timeline": SIGNED_IN,
    "forms": SIGNED_IN, "form": SIGNED_IN, "form_submissions": SIGNED_IN, "form_refused": SIGNED_IN, "form_new": "edit",
    "form_edit": "edit", "form_preview": "edit", "form_publish": "edit", "form_close": "edit", "site": "edit",
    "form_page": ANYBODY, "form_done": ANYBODY, "form_confirm": ANYBODY, "form_file": ANYBODY, "page_views": ANYBODY,
    "accounts": SIGNED_IN, "account": SIGNED_IN, "account_people": SIGNED_IN, "account_timeline": SIGNED_IN,
    "segments": SIGNED_IN, "segment": SIGNED_IN, "segment_members": SIGNED_IN, "segment_history": SIGNED_IN,
    "segment_why": SIGNED_IN, "segment_new": "edit", "segment_of_list": "edit", "segment_edit": "edit",
    "segment_delete": "edit", "segment_refresh": "edit", "segment_let_leave": "edit",
    "conditions_fields": SIGNED_IN, "conditions_values": "edit", "conditions_check": "edit",
    "person_new": "people", "person_edit": "people", "account_new": "people", "account_edit": "people",
    "person_tags": "note", "account_tags": "note", "person_owner": "people", "account_owner": "people", "tags": SIGNED_IN,
    "person_everything": SIGNED_IN, "person_erase": "erase", "account_erase": "erase",
    "person_deal": "people", "account_deal": "people", "deal": SIGNED_IN, "deals": SIGNED_IN,
    "deal_board": SIGNED_IN, "deal_stages": SIGNED_IN,
    "deal_edit": "people", "deal_roles": "people", "deal_products": "people", "pipelines": SIGNED_IN, "pipeline": "edit", "pipeline_new": "edit",
    "pipeline_remove": "edit", "pipeline_add_stage": "edit", "contracts": SIGNED_IN, "contract": SIGNED_IN,
    "contract_edit": "people", "contract_amend": "people", "account_contract": "people", "person_contract": "people",
    "account_roles": "people", "account_claim": "people", "person_claim": "people", "account_settings": "edit",
    "title_rules": SIGNED_IN, "title_rules_draft": "edit", "title_rules_apply": "edit", "title_rules_discard": "edit",
    "duplicates": SIGNED_IN, "duplicates_find": "merge", "duplicate_two": "merge", "person_merge": "merge",
    "account_merge": "merge", "merge": SIGNED_IN, "merge_part": "merge",
    "person_record": "note", "account_record": "note", "activity_take_back": "note",
    "account_choose": SIGNED_IN,
    "imports": SIGNED_IN, "import": SIGNED_IN, "import_rejects": SIGNED_IN,
    "import_new": "edit", "import_map": "edit", "import_go": "edit", "import_roll_back": "edit", "left_out": "edit",
    "import_mappings": SIGNED_IN, "import_mapping": "edit", "import_mapping_delete": "edit",
    "import_schedules": SIGNED_IN, "import_schedule": SIGNED_IN, "import_schedule_new": "edit",
    "import_schedule_edit": "edit", "import_schedule_start": "edit", "import_schedule_pause": "edit",
    "import_schedule_delete": "edit",
    "lifecycles": SIGNED_IN, "lifecycle": SIGNED_IN, "lifecycle_members": SIGNED_IN,
    "lifecycle_version": SIGNED_IN, "lifecycle_cases": SIGNED_IN, "lifecycle_document": SIGNED_IN,
    "lifecycle_start": "edit", "lifecycle_preview": "edit", "lifecycle_publish": "edit", "lifecycle_discard": "edit",
    "lifecycle_resume": "edit", "backtest_new": "edit", "backtests": SIGNED_IN, "backtest": SIGNED_IN,
    "lifecycle_placing": "edit", "lifecycle_placing_people": SIGNED_IN, "lifecycle_placing_accept": "edit",
    "backtest_people": SIGNED_IN, "backtest_segment": "edit", "backtest_take": "edit", "backtest_remove": "edit",
    "backtest_moved": SIGNED_IN, "backtest_movements": SIGNED_IN, "backtest_moved_segment": "edit",
    "lifecycle_plan": "edit", "lifecycle_withdraw": "edit",
    "lifecycle_difference": SIGNED_IN,
    "lifecycle_new": "edit", "lifecycle_playbook": SIGNED_IN, "lifecycle_playbook_file": SIGNED_IN, "lifecycle_next_draft": "edit",
    **dict.fromkeys(
        ("lifecycle_edit", "lifecycle_edit_model", "lifecycle_edit_put_back", "lifecycle_edit_stage_new",
         "lifecycle_edit_stage", "lifecycle_edit_card", "lifecycle_edit_stage_move", "lifecycle_edit_stage_remove",
         "lifecycle_edit_rule_new", "lifecycle_edit_rule", "lifecycle_edit_rule_move", "lifecycle_edit_rule_remove",
         "lifecycle_edit_case_new", "lifecycle_edit_case", "lifecycle_edit_case_remove"),
        "edit",
    ),
    "membership_move": "move", "movement_undo": "move",
    "partners": SIGNED_IN, "partner_applications": SIGNED_IN, "partner_application": SIGNED_IN,
    **dict.fromkeys(("partner_approve", "partner_decline", "partner_reconsider", "partner_step", "partner_certify"), "people"),
    "partner_programmes": "edit", "partner_programme": "edit",
    "handoffs": SIGNED_IN, "handoff": SIGNED_IN, "handoff_accept": "move", "handoff_reject": "move",
    "handoff_not_now": "move", "handoff_pass_on": "move", "handoff_link": ANYBODY, "routing": SIGNED_IN,
    "routing_rule_new": "edit", "routing_rule": "edit", "routing_rule_move": "edit", "routing_rule_remove": "edit",
    "routing_adopt": "edit", "routing_reasons": "edit", "routing_offer": "edit",
    "lifecycle_stalled": SIGNED_IN, "lifecycle_stalled_counts": SIGNED_IN, "lifecycle_stalled_segment": "edit",
    "lifecycle_board": SIGNED_IN, "lifecycle_board_column": SIGNED_IN, "lifecycle_board_move": "move",
    "bulk_move": SIGNED_IN, "bulk_undo": "move", "bulk_override": "move", "lifecycle_overrides": SIGNED_IN,
    "scoring_models": SIGNED_IN, "scoring_model": SIGNED_IN, "scoring_scores": SIGNED_IN, "scoring_matrix": SIGNED_IN,
    "scoring_version": SIGNED_IN, "scoring_document": SIGNED_IN, "scoring_crossings": SIGNED_IN,
    "scoring_new": "edit", "scoring_file": "edit", "scoring_draft": "edit", "scoring_rule_new": "edit",
    "scoring_rule": "edit", "scoring_rule_move": "edit", "scoring_rule_remove": "edit", "scoring_thresholds": "edit",
    "scoring_preview": "edit", "scoring_publish": "edit", "scoring_retire": "edit", "scoring_discard": "edit",
    "scoring_rescore": "operate",
    "report_funnel": SIGNED_IN, "report_handoffs": SIGNED_IN, "report_retention": SIGNED_IN, "report_document": SIGNED_IN, "report_document_version": SIGNED_IN,
    "report_concentration": SIGNED_IN, "report_customers": SIGNED_IN, "report_pars": "edit",
    "report_leaks": SIGNED_IN, "report_partners": SIGNED_IN, "report_book": SIGNED_IN,
    "report_loops": SIGNED_IN, "report_time": SIGNED_IN, "report_note": "edit", "report_note_remove": "edit",
    "report_lift": SIGNED_IN, "report_lift_campaign": SIGNED_IN, "report_lift_people": SIGNED_IN,
    "report_people": SIGNED_IN, "report_people_segment": "edit", "ledger": SIGNED_IN, "ledger_check": "operate",
    "campaigns": SIGNED_IN, "campaign": SIGNED_IN, "campaign_version": SIGNED_IN, "campaign_people": SIGNED_IN,
    "campaign_trace": SIGNED_IN, "campaign_enroll_one": "edit", "campaign_results": SIGNED_IN, "campaign_versions": SIGNED_IN,
    "campaign_new": "edit", "campaign_start": "edit", "campaign_settings": "edit", "campaign_edit": "edit", "campaign_discard": "edit",
    "campaign_launch": "edit", "campaign_dry_run": SIGNED_IN, "campaign_enroll": "edit", "campaign_pause": "edit", "campaign_resume": "edit", "campaign_stop": "edit",
    "campaign_step": "edit", "campaign_step_new": "edit", "campaign_step_move": "edit", "campaign_step_remove": "edit",
    "campaign_step_put_back": "edit",
    "contents": SIGNED_IN, "content": "edit", "content_versions": SIGNED_IN, "content_version": SIGNED_IN,
    "content_new": "edit", "content_preview": "edit", "content_people": SIGNED_IN, "content_clone": "edit", "content_test": "edit",
    "senders": SIGNED_IN, "sender_new": "edit", "sender_edit": "edit", "sender_retire": "edit",
    "outbox": SIGNED_IN, "message": SIGNED_IN, "message_resend": "operate", "mailbox": SIGNED_IN, "letter": SIGNED_IN,
    "letter_body": SIGNED_IN, "channel": "administer", "frequency_cap": "administer", "instance": "administer",
    "channel_try": "operate", "channel_pause": "operate", "channel_resume": "operate", "channel_domain": "operate",
    "campaign_integrity": SIGNED_IN, "campaign_styles": SIGNED_IN,
    "demo_load": "edit",
    "person_consent": "people", "consent_take_back": "people", "topics": SIGNED_IN, "topic_new": "edit",
    "kinds": SIGNED_IN, "kind_new": "edit", "kind_edit": "edit", "kind_remove": "edit",
    "channels": SIGNED_IN, "channel_new": "edit", "channel_edit": "edit", "channel_remove": "edit",
    "products": SIGNED_IN, "purchases": SIGNED_IN, "exchange_rates": SIGNED_IN, "exchange_rate": "edit",
    "exchange_rate_new": "edit", "exchange_rate_remove": "edit", "pipeline_earlier": "edit",
    "report_pipeline": SIGNED_IN, "report_costs": SIGNED_IN,
    "costs": SIGNED_IN, "costs_monthly": SIGNED_IN, "channel_mix": SIGNED_IN, "cost_new": "edit", "cost_edit": "edit", "cost_remove": "edit",
    "cases": SIGNED_IN, "case": SIGNED_IN, "case_edit": "people", "person_case": "people", "account_case": "people",
    "activities": SIGNED_IN, "activities_take_back": "edit", "retractions": "edit", "retraction": "edit",
    "retraction_undo": "edit",
    "custom_fields": SIGNED_IN, "custom_field_new": "edit", "custom_field_edit": "edit", "custom_field_remove": "edit",
    "readiness": SIGNED_IN, "readiness_measure": "operate", "readiness_field": SIGNED_IN, "readiness_without": SIGNED_IN,
    "readiness_segment": "edit", "best_customers": SIGNED_IN, "best_customers_list": SIGNED_IN,
    "best_customers_segment": "edit", "look_alikes": SIGNED_IN, "look_alikes_segment": "edit",
    "topic_edit": "edit", "topic_retire": "edit", "suppressions": SIGNED_IN, "suppression_find": SIGNED_IN,
    "suppression_add": "edit", "suppression_lift": "edit",
    "api_keys": SIGNED_IN, "api_key_new": "keys", "api_key_revoke": SIGNED_IN,
    **dict.fromkeys(
        ("webhooks", "webhook_new", "webhook", "webhook_edit", "webhook_pause", "webhook_rotate", "webhook_test",
         "webhook_replay", "webhook_remove", "webhook_deliveries", "webhook_delivery", "webhook_delivery_replay"),
        "administer",
    ),
    "message_click": ANYBODY, "message_picture": ANYBODY, "unsubscribe": ANYBODY, "preferences": ANYBODY,
}  # fmt: skip
GIVEN = {
    "message_id": UUID(int=1),
    "token": "garbled",
    "public_id": "nothing-here",
    "uidb64": "MQ",
    "of": "person",
    "pk": 1,
    "slug": "small",
    "stage": "known",
    "number": 1,
    "other": 1,
    "place": 1,
    "kind": "fit",
    "key": "1",
    "name": "judge",
}


def routes(patterns=None):
    """The pages' routes; the REST API's are asked with keys, and held by tests of their own."""
    for each in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(each, URLPattern):
            yield each
        elif each.app_name != "api":
            yield from routes(each.url_patterns)


def address(route):
    names = route.pattern.converters
    return route.pattern.match and "/" + get_resolver().reverse(route.name, **{name: GIVEN[name] for name in names})


def test_every_route_says_what_it_takes():
    assert {route.name for route in routes()} == set(TAKES)


@pytest.mark.parametrize("role", list(User.Role))
def test_a_role_is_refused_exactly_by_the_routes_whose_right_it_lacks(client, role):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=role))
    for route in routes():
        if route.name == "sign_out":
            continue
        right = TAKES[route.name]
        answer = client.post(address(route))
        refused = right in rights.RIGHTS and role not in rights.RIGHTS[right]
        assert (answer.status_code == 403) == refused, (route.name, answer.status_code)
        assert answer.status_code < 500, route.name


def test_a_stranger_is_sent_to_sign_in_by_every_route_but_that_one(client):
    for route in routes():
        if TAKES[route.name] == ANYBODY:
            continue
        for ask in (client.get, client.post):
            answer = ask(address(route))
            assert answer.status_code == 302 and answer.url.startswith("/sign-in/"), route.name


def test_a_user_whose_access_was_closed_has_no_right():
    closed = User(email="x@example.com", role=User.Role.ADMIN, is_active=False)
    assert not any(rights.may(closed, right) for right in rights.RIGHTS)
