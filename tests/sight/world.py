"""A company of two sales teams: the same things thrice, of one salesperson, of another team's, and of nobody.

Whatever is said of the last two has a word in it that is said of nothing else, so that it is known wherever it comes up.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from audience import consent, merging
from audience.activity import activities, channels, kinds, retractions
from audience.commerce import costs, rates
from audience.importing import saved, schedules
from audience.models import (
    AccountRole,
    Activity,
    ActivityKind,
    Case,
    ConsentRecord,
    Contract,
    DealRole,
    Duplicate,
    Field,
    Identity,
    Import,
    Pipeline,
    RefusedSubmission,
    Reject,
    Suppression,
)
from audience.subjects import custom
from audience.webforms import submitting
from campaigns.models import Letter
from integrations.models import WebhookDelivery
from integrations.webhooks import keeping
from kit import calendars, jobs, notes, work
from kit.models import AuditEntry, Notice, Team, User
from lifecycle.editions import documents as lifecycle_documents
from lifecycle.handoffs import routing
from lifecycle.ledger import moving, stages
from lifecycle.models import (
    Application,
    Backtest,
    ChecklistItem,
    Handoff,
    Lifecycle,
    Membership,
    Moved,
    Reached,
    RoutingRule,
)
from lifecycle.partners import applications, checklist, programmes
from reporting import filling
from reporting.models import ChartNote, LedgerCheck
from scoring import documents
from scoring import versions as scoring_versions
from scoring.models import Crossing
from tests import factories
from tests.audience.webforms import making as forms
from tests.campaigns import making
from tests.factories import NOW, days_ago
from tests.scoring import making as scoring_making

OWN, FOREIGN, UNOWNED = "Kestrel", "Zzforeign", "Zzunowned"
HIDDEN = ("zzforeign", "zzunowned")
EMEA = {
    "slug": "emea", "name": "EMEA", "zone": "Europe/Berlin", "holidays": [],
    "hours": [{"weekday": 1, "opens": "09:00", "closes": "17:00"}],
}  # fmt: skip


@dataclass
class Things:
    """What belongs to one owner, by what it is."""

    owner: User | None
    word: str
    person: Any = None
    account: Any = None
    deal: Any = None
    contract: Any = None
    activity: Any = None
    consent: Any = None
    note: Any = None
    task: Any = None
    case: Any = None
    membership: Any = None
    movement: Any = None
    handoff: Any = None
    bulk: Any = None
    message: Any = None
    letter: Any = None
    pair: Any = None
    application: Any = None
    partner_step: Any = None
    merge: Any = None


@dataclass
class World:
    """The salesperson who looks, one of the same team, one of another; what each has; and what is nobody's."""

    sal: User
    mate: User
    sue: User
    own: Things
    foreign: Things
    unowned: Things
    numbers: dict[str, int]


def build() -> World:
    """All of it, by the verbs that pages call wherever there are some."""
    north, south = Team.objects.create(name="North"), Team.objects.create(name="South")
    role = User.Role.SALES
    sal = User.objects.create_user("sal@example.com", "x", name="Sal", role=role, team=north)
    mate = User.objects.create_user("mate@example.com", "x", name="Mate", role=role, team=north)
    sue = User.objects.create_user("sue@example.com", "x", name="Sue", role=role, team=south)
    Field.objects.create(of="person", slug="hobby", label="Hobby", type="text", created_at=NOW)
    trio = [Things(sal, OWN), Things(sue, FOREIGN), Things(None, UNOWNED)]
    for each in trio:
        _known(each, sal)
    _between(*trio)
    for each in trio:
        _twice(each)
    lead = "{slug: lead, name: Lead"
    handing = factories.SMALL.replace(lead, lead + ", hand_off: {accept: won, reject: resting}")
    handing += "  - {from: known, to: lead, by_hand: true, guard: {field: person.country, op: is, value: XX}}\n"
    version = factories.published(handing)
    rule = RoutingRule.objects.create(lifecycle=version.lifecycle, position=1, kind="person_owner")
    for each in trio:
        _staged(each, version)
    routing.route(days_ago(20))
    filling.fill(version.lifecycle, now=timezone.now())
    case = "cases: [{name: A stranger, person: {first_seen: 2025-03-01}, expect: {on: 2025-03-05, stage: known}}]"
    draft = factories.draft(factories.SMALL + case)
    numbers = {"draft_number": draft.number} | _campaign(trio) | _scoring(trio) | _rest(trio, version, sue)
    _sent(trio)
    notice = Notice.objects.create(user=sal, kind="security", title="Your password was changed", created_at=NOW)
    return World(sal, mate, sue, *trio, numbers | {"routing_rule": rule.pk, "notice": notice.pk})


def _sent(trio: list[Things]) -> None:
    form = forms.published()
    for each in trio:
        answers = {"email": each.person.email, "city": f"{each.word} town"}
        submitting.submit(form.edition, submitting.Sent(answers, browser=uuid.uuid4()), now=NOW)
    RefusedSubmission.objects.create(
        form=form, reason="trap", answers={"email": f"a@{UNOWNED}.example"}, occurred_at=NOW
    )
    _partners(trio, form)


def _partners(trio: list[Things], form: Any) -> None:
    """Each of the three applied by that form, and each account has a step to take."""
    allies = Lifecycle.objects.create(slug="allies", name="Allies", species="partner", of="account", created_at=NOW)
    steps = [programmes.Step("Sign the terms", 7)]
    programme = programmes.set_up(allies, form=form, certified_months=12, steps=steps, by=None, now=NOW)
    applications.take_in(NOW)
    for each in trio:
        checklist.begin(programme, each.account, now=NOW)
        each.application = Application.objects.get(person=each.person)
        each.partner_step = ChecklistItem.objects.get(account=each.account)


def _known(things: Things, author: User) -> None:
    word, owner, low = things.word, things.owner, things.word.lower()
    account = factories.account(name=f"{word} Works", domain=f"{low}.example", owner=owner, country="DE")
    person = factories.person(
        first_name=word, last_name=f"{word}sen", email=f"ann@{low}.example", phone=f"+49 {word}", owner=owner,
        title=f"Director {word}", account=account, custom={"hobby": f"{word} flying"},
    )  # fmt: skip
    things.account, things.person = account, person
    AccountRole.objects.create(person=person, account=account, role="champion")
    things.deal = factories.deal(person, NOW, name=f"{word} deal", owner=owner, account=account)
    told = {"kind": "call", "at": days_ago(3), "direction": "inbound", "properties": {"summary": f"{word} called"}}
    activities.record_by_hand(person, by=author, now=NOW, external_id=f"{low}-1", **told)
    things.activity = Activity.objects.get(external_id=f"{low}-1")
    topic = making.topic()
    consent.give(person, topic=topic, source=f"{word} fair", wording=f"{word} said yes", at=NOW, now=NOW, by=author)
    things.consent = ConsentRecord.objects.get(person=person)
    things.note = notes.add(person.pk, f"{word} likes tea", by=author, now=NOW)
    notes.add(account.pk, f"{word} moved", by=owner, now=NOW)
    things.task = work.add(f"Ring {word}", by=owner, now=NOW, subject_id=person.pk, assigned_to=owner)
    Identity.objects.create(person=person, system="crm", kind="person", external_id=f"{low}-77")
    given: dict[str, Any] = {"source": "tests", "recorded_at": NOW}
    things.case = Case.objects.create(
        person=person, title=f"{word} is broken", opened_at=NOW, external_id=f"{low}-c", **given
    )
    things.contract = Contract.objects.create(
        account=account, name=f"{word} contract", starts_on=date(2025, 1, 1), renews_on=date(2026, 1, 1),
        annual_value=10_000_00, currency="EUR", external_id=f"{low}-k", **given,
    )  # fmt: skip
    factories.purchase(person, days_ago(20), amount=500_00, currency="EUR")


def _twice(things: Things) -> None:
    """Somebody who is there thrice: once known to be the same, once perhaps."""
    known: dict[str, Any] = {"first_name": things.word, "owner": things.owner}
    gone, twin = factories.person(last_name="Again", **known), factories.person(last_name="Twin", **known)
    things.merge = merging.merge(things.person, gone, by=things.owner, now=NOW)
    things.pair = Duplicate.objects.create(
        of="person", one_id=things.person.pk, other_id=twin.pk, why=[{"rule": "phone", "evidence": things.word}],
        confidence=85, found_at=NOW,
    )  # fmt: skip


def _between(own: Things, foreign: Things, unowned: Things) -> None:
    """Those whom the salesperson does not see have to do with those whom he sees."""
    kind = ActivityKind.objects.get(slug="call")
    for other in (foreign, unowned):
        AccountRole.objects.create(person=other.person, account=own.account, role="adviser")
        DealRole.objects.create(person=other.person, deal=own.deal, role="adviser")
        other.account.parent = own.account
        other.account.save()
        # Done for the account when they were there; they have moved on since.
        Activity.objects.create(
            person=other.person, account=own.account, kind=kind, occurred_at=days_ago(9), recorded_at=NOW,
            source="tests", external_id=f"moved-{other.word}",
        )  # fmt: skip


def _staged(things: Things, version: Any) -> None:
    known, lead = version.stages.get(slug="known"), version.stages.get(slug="lead")
    at = days_ago(30)
    assert stages.place(things.person.pk, version, to=known, reason="", by=None, at=at, now=at)
    things.membership = Membership.objects.get(subject_id=things.person.pk)
    chosen = moving.chosen([(things.membership.pk, things.membership.seq)])
    told: dict[str, Any] = {"reason": "Test", "by": things.owner, "now": days_ago(20), "override": True}
    things.bulk = moving.move(version, chosen, to=lead, **told)
    things.membership.refresh_from_db()
    things.movement = stages.last_movement(things.membership)
    things.handoff = Handoff.objects.get(membership=things.membership)


def _campaign(trio: list[Things]) -> dict[str, int]:
    draft = making.launched(making.simple("Nurture"))
    step = making.steps(draft)[0]
    for each in trio:
        each.message = making.sent(each.person, step)
        each.letter = Letter.objects.create(
            message_id=each.message.pk, sender="ada@marlowcreek.example", recipient=each.person.email,
            subject=f"Hello {each.word}", received_at=NOW,
            raw=(
                f"From: a@b.example\nTo: {each.person.email}\nSubject: Hello {each.word}\n"
                f"Content-Type: text/html\n\n<p>Dear {each.word}</p>"
            ).encode(),
        )  # fmt: skip
    return {"campaign_step": step.pk, "sender": step.version.campaign.sender_id or 0}


def _scoring(trio: list[Things]) -> dict[str, int]:
    scoring_making.published()
    draft = scoring_versions.draft(documents.parse(scoring_making.LEAD), by=None, now=NOW)
    for each in trio:
        Crossing.objects.create(version=draft, person=each.person, was=10, shown=70, enters=True)
    rule = draft.rules.first()
    assert rule is not None
    return {"scoring_rule": rule.pk, "scoring_number": draft.number}


def _rest(trio: list[Things], version: Any, by: User) -> dict[str, int]:
    making.segment(*(each.person for each in trio))
    brought = Import.objects.create(
        kind="people", file_name="people.csv", path="x", header=["email"], source="crm", created_at=NOW, created_by=by,
        mapping={"columns": {"email": ["email"]}, "options": {}}, finished_at=NOW,
    )  # fmt: skip
    brought.job = jobs.enqueue("import", {"import": brought.pk}, by=by, now=NOW, title="people.csv")
    brought.save(update_fields=["job"])
    kept = saved.of_import(brought, "Leads of the shop", by=by, now=NOW)
    place = {"place": "url", "url": "https://shop.example.com/orders.csv", "every": "hour", "next_at": NOW}
    regular = schedules.create(name="Orders, every hour", mapping=kept, **place, by=by, now=NOW)
    Reject.objects.create(imported=brought, row=2, column="email", reason="bad", raw=[f"{UNOWNED}@nowhere"])
    consent.suppress(f"ann@{FOREIGN.lower()}.example", reason="asked by letter", by=None, now=NOW)
    chart = ChartNote.objects.create(day=NOW.date(), text="Fair", created_by=by, created_at=NOW)
    findings = [
        {"kind": "membership", "what": "w", "where": f"membership {each.word}", "words": "x", "membership": each.membership.pk}
        for each in trio
    ]  # fmt: skip
    LedgerCheck.objects.create(
        lifecycle=version.lifecycle, checked_at=NOW + timedelta(days=1), memberships=3, movements=6, found=3,
        findings=findings,
    )  # fmt: skip
    held = Suppression.objects.get()
    numbers = {"bulk_move": trio[1].bulk.pk, "backtest": _tried(trio, version).pk}
    written = AuditEntry.objects.latest("pk")
    field = custom.define("Plan", of="person", type="choice", choices=["free", "pro"], by=None, now=NOW)
    kind = kinds.define({"label": "Fair visited"}, by=None, now=NOW)
    channel = channels.add({"label": "Fairs"}, by=None, now=NOW)
    spent = {"channel": "fairs", "starts_on": NOW.date(), "ends_on": NOW.date() + timedelta(days=1)}
    cost = costs.add({**spent, "amount": 100, "currency": "EUR"}, by=None, now=NOW)
    rates.tell("USD", NOW.date(), Decimal("0.9"), by=None, now=NOW)
    scanned = factories.activity(trio[1].person, days_ago(2), kind="scanned")
    told = retractions.begin({"ids": [scanned.pk]}, reason="scanner", by=None, now=NOW)
    numbers |= {
        "kind": kind.pk,
        "channel": channel.pk,
        "cost": cost.pk,
        "rate": rates.current().get().pk,
        "retraction": told.pk,
    }
    calendars.define(EMEA, by=by, now=NOW)
    people = {"user": by.pk, "team": by.team_id or 0, "audit": written.pk}
    pipeline, _made = Pipeline.objects.get_or_create(name="Renewals", defaults={"position": 9})
    return (
        numbers
        | {"pipeline": pipeline.pk}
        | people
        | {"import": brought.pk, "job": brought.job_id or 0, "suppression": held.pk, "chart_note": chart.pk}
        | _told_to_others(trio, by)
        | {"field": field.pk, "import_mapping": kept.pk, "import_schedule": regular.pk}
    )


def _told_to_others(trio: list[Things], by: User) -> dict[str, int]:
    """A webhook, and what it never took: an event about somebody."""
    hook, _secret = keeping.add("Warehouse", "https://warehouse.example.com/hook", ["stage.changed"], by=by, now=NOW)
    line = {"at": NOW.isoformat(), "status": 500, "failure": "status", "took_ms": 12}
    dead = WebhookDelivery.objects.create(
        webhook=hook, event="stage.changed", ref=trio[1].movement.pk, at=NOW, since=NOW, next_at=NOW, tried_at=NOW, tries=10,
        state="dead", ended_at=NOW, status=500, failure="status", took_ms=12, log=[line],
    )  # fmt: skip
    return {"webhook": hook.pk, "webhook_delivery": dead.pk}


def _tried(trio: list[Things], version: Any) -> Backtest:
    """A backtest that is done, by which each of the three came to the stage."""
    counted = {"entered": 3, "already": 0, "unfinished": 1, "of": 40, "hits": 12, "found": 9, "outcomes": 20}
    counted |= {"usual_of": 90, "usual_hits": 15}
    stages_told = [{"slug": "lead", "name": "Lead", "path": "success", "before": 1, "came": 3, "left": 1, "after": 3}]
    by_time = [
        {"from": "2025-01-01", "hits": 12, "of": 40, "unfinished": 0},
        {"from": "2025-02-01", "hits": 0, "of": 0, "unfinished": 1},
    ]
    side = {"version": str(version), "stages": stages_told, "by_time": by_time, **counted}
    causes = {"rule": 1, "hand": 1, "file": 1, "handoff": 0, "other": 0}
    truly = side | {"version": "", "stages": [each | {"came_by": causes, "left_by": causes} for each in stages_told]}
    truly |= {"moves": 4, "late": 1}
    differ = {"tried_only": 1, "live_only": 0, "both": 2, "sooner": 1, "later": 0}
    differ |= {"recorded": 2, "recorded_only": 1, "unrecorded": 1}
    group = {"subjects": 12, "known": 6, "cost": 60_000, "of": 10, "hits": 3}
    money = {"currency": "EUR", "unrated": 1, "groups": dict.fromkeys(("tried_only", "live_only", "both"), group)}
    moved = dict.fromkeys(("hand", "file", "handoff"), {"subjects": 3, "tried": 1, "live": 2})
    rule = version.transitions.get(priority=3)
    made = Backtest.objects.create(
        version=version, against=version, begins_on=date(2025, 1, 1), ends_on=date(2025, 6, 15), stage="lead", outcome_stage="won",
        horizon=30, swept=rule, place=["value"], points=[2, 3], document=lifecycle_documents.dump(version), created_at=NOW,
        result={"sides": {"tried": side, "live": side, "recorded": truly}, "differ": differ, "spent": {"EUR": 100_000},
                "money": money, "moved": moved, "points": [{"value": 2, **counted, "entered": 5}, {"value": 3, **counted}]},
    )  # fmt: skip
    for each in trio:
        Reached.objects.create(
            backtest=made, person=each.person, tried_at=NOW, live_at=days_ago(3), ledger_at=days_ago(2), cost=42_00
        )
        Moved.objects.create(
            backtest=made, person=each.person, cause="hand", moves=1, moved_at=days_ago(3), recorded_at=days_ago(2),
            from_stage="lead", to_stage="won", stood="won", tried_stood="lead", live_stood="lead",
        )  # fmt: skip
    return made
