"""What a webhook can be told, and how each event is written: what happened to which row, by ids and short names.

Nothing of a person is in it. Whoever wants to know more asks the API for the row, by a key of their own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations.models import WebhookDelivery
from lifecycle.models import HandoffEvent, MissedLimit, Movement

TRIAL = "webhook.test"
MOVED = "stage.changed"
HANDOFF = "handoff"
OF_HANDOFFS = {f"{HANDOFF}.{kind.value}": kind.label for kind in HandoffEvent.Kind}
MISSED = "limit.missed"
OF_STAGES = {
    MOVED: _("Somebody came to another stage"),
    MISSED: _("Somebody missed the limit of a stage that is not handed to sales"),
}
# Of the feed's kinds those that come one by one; whoever keeps a whole copy reads the feed.
OF_ROWS = {
    "person.created": _("A person was added"),
    "person.changed": _("A person was changed"),
    "account.created": _("An account was added"),
    "account.changed": _("An account was changed"),
    "deal.created": _("A deal was opened"),
    "deal.changed": _("A deal was changed"),
    "purchase.created": _("Something was bought"),
    "contract.created": _("A contract was made"),
    "contract.changed": _("A contract was changed"),
    "case.created": _("A service case was opened"),
    "case.changed": _("A service case was changed"),
    "consent.created": _("Consent was given or withdrawn"),
}
GROUPS: Sequence[tuple[str | Promise, dict[str, Any]]] = (
    (_("Hand-offs to sales"), OF_HANDOFFS),
    (_("Lifecycles"), OF_STAGES),
    (_("People and what they have"), OF_ROWS),
)
WORDS: dict[str, Any] = {**OF_HANDOFFS, **OF_STAGES, **OF_ROWS}


def words(event: str) -> str:
    """What an event is called."""
    if event in OF_HANDOFFS:
        return gettext("Hand-off: %(what)s") % {"what": str(OF_HANDOFFS[event]).lower()}
    return str(_("A test") if event == TRIAL else WORDS.get(event, event))


def bodies(deliveries: Iterable[WebhookDelivery]) -> dict[int, bytes]:
    """What is sent for each, by its key, in one query for each sort of events. What is not there any more has none."""
    by_sort: dict[str, list[WebhookDelivery]] = defaultdict(list)
    for each in deliveries:
        by_sort[_sort(each.event)].append(each)
    told: dict[int, dict[str, Any]] = {}
    for sort, those in by_sort.items():
        told |= _DATA[sort](those)
    every = (each for those in by_sort.values() for each in those)
    return {each.pk: _written(each, told[each.pk]) for each in every if each.pk in told}


def _sort(event: str) -> str:
    if event in OF_HANDOFFS:
        return HANDOFF
    return event if event in (MOVED, MISSED, TRIAL) else "row"


def _written(delivery: WebhookDelivery, data: dict[str, Any]) -> bytes:
    told = {"type": delivery.event, "timestamp": _instant(delivery.at), "data": data}
    return json.dumps(told, separators=(",", ":")).encode()


def _of_handoffs(those: Sequence[WebhookDelivery]) -> dict[int, dict[str, Any]]:
    found = HandoffEvent.objects.select_related(
        "handoff__stage__version__lifecycle", "handoff__membership"
    ).in_bulk([each.ref for each in those])  # fmt: skip
    return {each.pk: _handoff(found[each.ref]) for each in those if each.ref in found}


def _handoff(event: HandoffEvent) -> dict[str, Any]:
    """The hand-off as it is now; `user` is whom the event is told to, else who has it."""
    held = event.handoff
    return {
        "handoff": held.pk,
        "membership": held.membership_id,
        "person": held.membership.person_id,
        "account": held.membership.account_id,
        "lifecycle": held.stage.version.lifecycle.slug,
        "stage": held.stage.slug,
        "state": held.state,
        "user": event.to_id or held.user_id,
        "team": held.team_id,
        "answered_by": held.answered_by_id,
        "due_at": _instant(held.due_at),
    }


def _of_moves(those: Sequence[WebhookDelivery]) -> dict[int, dict[str, Any]]:
    found = Movement.objects.select_related(
        "version__lifecycle", "membership", "from_stage", "to_stage"
    ).in_bulk([each.ref for each in those])  # fmt: skip
    return {each.pk: _move(found[each.ref]) for each in those if each.ref in found}


def _move(move: Movement) -> dict[str, Any]:
    return {
        "movement": move.pk,
        "membership": move.membership_id,
        "person": move.membership.person_id,
        "account": move.membership.account_id,
        "lifecycle": move.version.lifecycle.slug,
        "from": move.from_stage.slug if move.from_stage else None,
        "to": move.to_stage.slug if move.to_stage else None,
        "kind": move.kind,
        "occurred_at": _instant(move.occurred_at),
    }


def _of_limits(those: Sequence[WebhookDelivery]) -> dict[int, dict[str, Any]]:
    found = MissedLimit.objects.select_related("stage__version__lifecycle", "membership").in_bulk(
        [each.ref for each in those]
    )
    return {each.pk: _limit(found[each.ref]) for each in those if each.ref in found}


def _limit(missed: MissedLimit) -> dict[str, Any]:
    return {
        "membership": missed.membership_id,
        "person": missed.membership.person_id,
        "account": missed.membership.account_id,
        "lifecycle": missed.stage.version.lifecycle.slug,
        "stage": missed.stage.slug,
        "entered_at": _instant(missed.entered_at),
        "due_at": _instant(missed.due_at),
    }


def _of_rows(those: Sequence[WebhookDelivery]) -> dict[int, dict[str, Any]]:
    return {each.pk: {"kind": each.event.partition(".")[0], "id": each.ref} for each in those}


def _of_trials(those: Sequence[WebhookDelivery]) -> dict[int, dict[str, Any]]:
    return {each.pk: {"webhook": each.webhook_id} for each in those}


_DATA = {HANDOFF: _of_handoffs, MOVED: _of_moves, MISSED: _of_limits, TRIAL: _of_trials, "row": _of_rows}


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
