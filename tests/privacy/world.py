"""One person of whom there is something in every table that can hold somebody, under names that nobody else has."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from audience import consent
from audience.activity import activities, parties
from audience.commerce import contracts, deals
from audience.models import (
    AccountRole,
    ActivityParty,
    Case,
    Contract,
    ContractAmendment,
    Field,
    Import,
    PageView,
    Person,
    Product,
    RefusedSubmission,
    Reject,
    UnnamedActivity,
    Visitor,
)
from audience.subjects import people, tags
from audience.webforms import submitting
from campaigns.models import Letter, MessageAttempt, Response, StepRun
from kit import jobs, notes, work
from kit.models import IdempotencyKey, User
from kit.sql import Sql, rows, run, sql
from lifecycle.ledger import moving, stages
from lifecycle.models import (
    Application,
    Backtest,
    Handoff,
    HandoffEvent,
    Lifecycle,
    Membership,
    MissedLimit,
    Moved,
    PlacementRound,
    Proposal,
    Reached,
)
from lifecycle.partners import applications, programmes
from reporting import filling
from scoring import documents
from scoring import versions as scoring_versions
from scoring.models import Crossing
from tests import factories
from tests.audience.webforms import making as forms
from tests.campaigns import making
from tests.factories import NOW, days_ago
from tests.scoring import making as scoring_making

EMAIL, FORMER = "zsofia.quuxwright+vip@quuxmail.example", "zs.oldname@elsewhere.example"
FIRST, LAST = "Zsófia", "Quuxwright-O'Hara"
NAME = f"{FIRST} {LAST}"
PHONE, EXTERNAL = "+36 20 555-0199", "CRM-ZQ-77812"
# What was said of them and nobody else; none of it may be found anywhere once they are erased.
WORDS = (
    "zsofia", "quuxwright", "quuxmail", "oldname", "zsófia", "555-0199", "zq-77812", "xylographer", "debrecen",
    "lilac wallpaper", "ring about the parrot", "falconry", "with pleasure", "broken harpsichord", "harp insurance",
    "asked for a trombone", "left with a sigh", "moved to the seaside", "godmother", "treasurer", "greylisted",
    "glassblowing", "bagpipes", "tihany", "zither",
)  # fmt: skip


@dataclass
class World:
    """The person, the user who wrote about them, and the lifecycle in which they are."""

    person: Person
    by: User
    lifecycle: Any
    other: Person


def build() -> World:
    """All of it, by the verbs that pages call wherever there are some."""
    by = User.objects.create_user("ada@perennial.example", "x", name="Ada", role=User.Role.ADMIN)
    Field.objects.create(of="person", slug="hobby", label="Hobby", type="text", created_at=NOW)
    version = factories.published()
    other = factories.person(email="somebody@example.com", first_name="Some", last_name="Body", country="DE")
    account = factories.account(name="Harmony Works", domain="harmony.example", country="DE")
    given = {"email": FORMER, "first_name": FIRST, "last_name": "Formerly", "external_id": EXTERNAL, "account": account}
    person = people.create(given | {"first_seen_at": days_ago(90)}, source="crm", by=by, now=days_ago(90))
    told = {
        "email": EMAIL, "last_name": LAST, "phone": PHONE, "title": "Xylographer", "city": "Debrecen", "country": "DE",
        "custom": {"hobby": "falconry"},
    }  # fmt: skip
    people.change(person, told, source="crm", by=by, now=days_ago(80))
    people.change(person, {"city": "Debrecen-West"}, source="crm", by=by, now=days_ago(70))
    _known(person, other, account, by)
    _sold(person, account, by)
    _staged(person, other, version, by)
    _written_to(person, by)
    _on_the_web(person)
    _elsewhere(person, other, by)
    scoring_making.published()
    draft = scoring_versions.draft(documents.parse(scoring_making.LEAD), by=None, now=NOW)
    Crossing.objects.create(version=draft, person=person, was=10, shown=70, enters=True)
    filling.fill(version.lifecycle, now=NOW)
    return World(Person.objects.get(pk=person.pk), by, version.lifecycle, other)


def _known(person: Person, other: Person, account: Any, by: User) -> None:
    said = {"summary": f"{FIRST} asked for a trombone"}
    activities.record_by_hand(
        person, by=by, now=NOW, external_id="call-1", kind="call", at=days_ago(3), direction="inbound", properties=said
    )
    factories.activity(person, days_ago(5), external_id=f"form:{EMAIL}", properties={"name": NAME})
    factories.activity(person, days_ago(6), kind="demo_requested")
    factories.activity(other, days_ago(5), properties={"recommended_by": EMAIL.upper(), "note": f"knows\n{NAME}"})
    AccountRole.objects.create(person=person, account=account, role="treasurer")
    UnnamedActivity.objects.create(
        source="crm", external_id="e1", kind="call", occurred_at=days_ago(4), properties={"about": "zither lessons"}
    )
    ActivityParty.objects.create(source="crm", external_id="e1", person=person, recorded_at=NOW)
    parties.meet(Sql("SELECT id FROM audience_activityparty"), now=NOW)
    notes.add(person.pk, "hates lilac wallpaper", by=by, now=NOW)
    notes.add(other.pk, f"A friend of {NAME}, see {EMAIL} or {PHONE} ({EXTERNAL}).", by=by, now=NOW)
    work.add("Ring about the parrot", by=by, now=NOW, subject_id=person.pk, assigned_to=by)
    tags.add(Person, sql("SELECT {}::bigint AS subject_id", person.pk), ["VIP"], source="by hand", by=by, now=NOW)
    wording = "I say yes with pleasure"
    consent.give(person, topic=making.topic(), source=f"mail of {EMAIL}", wording=wording, at=NOW, now=NOW, by=by)
    consent.pause(person, until=NOW + timedelta(days=5), source=f"mail of {EMAIL}", now=NOW)
    making.segment(person, other)


def _sold(person: Person, account: Any, by: User) -> None:
    told = {"name": f"{LAST} harp", "amount": 900_00, "currency": "EUR", "status": "won"}
    deals.open(told, account=None, roles=[(person, "buyer")], source="by hand", by=by, now=days_ago(10))
    shared = factories.deal(person, days_ago(40), name=f"Sale to {NAME}", account=account, amount=800_00)
    shared.dealrole_set.update(role="godmother")
    deals.change(shared, {"stage": "offer", "amount": 700_00}, at=NOW, by=by, now=NOW)
    harp = Product.objects.create(name="Harp", source="tests", external_id="h", recorded_at=NOW)
    deals.sell(shared, [deals.Sold(harp, None, 700_00)], by=by, now=NOW)
    factories.purchase(person, days_ago(20), amount=500_00, currency="EUR", properties={"to": NAME})
    given: dict[str, Any] = {"source": "tests", "recorded_at": NOW, "person": person}
    Case.objects.create(title="Broken harpsichord", opened_at=NOW, external_id="c", **given)
    contract = Contract.objects.create(
        name="Harp insurance", starts_on=date(2025, 1, 1), annual_value=10_000_00, currency="EUR", external_id="k",
        **given,
    )  # fmt: skip
    ContractAmendment.objects.create(
        contract=contract, valid_from=date(2025, 5, 1), annual_value=12_000_00, recorded_at=NOW
    )
    contracts.change(contract, {"renews_on": date(2026, 1, 1)}, by=by, now=NOW)


def _staged(person: Person, other: Person, version: Any, by: User) -> None:
    known, lead = version.stages.get(slug="known"), version.stages.get(slug="lead")
    for each, reason in ((person, "left with a sigh"), (other, "Test")):
        assert stages.place(each.pk, version, to=known, reason="Test", by=None, at=days_ago(60), now=days_ago(60))
        membership = Membership.objects.get(subject_id=each.pk)
        engaged = version.stages.get(slug="engaged")
        assert stages.move(membership, to=engaged, reason=reason, by=by, at=days_ago(50), now=days_ago(50))
    membership = Membership.objects.get(subject_id=person.pk)
    chosen = moving.chosen([(membership.pk, membership.seq)])
    bulk = moving.move(version, chosen, to=lead, reason="Test", by=by, now=days_ago(20))
    bulk.members.update(why="moved to the seaside")
    handed = Handoff.objects.create(
        membership=membership, seq=1, stage=engaged, state="rejected", offered_at=days_ago(50), reason="left with a sigh",
        words="moved to the seaside", answered_at=days_ago(49), answered_by=by,
    )  # fmt: skip
    HandoffEvent.objects.create(handoff=handed, kind="rejected", at=days_ago(49))
    MissedLimit.objects.create(
        membership=membership, stage=engaged, entered_at=days_ago(50), due_at=days_ago(49), found_at=days_ago(49)
    )
    tried = Backtest.objects.create(
        version=version, begins_on=date(2025, 1, 1), ends_on=date(2025, 3, 1), stage="lead", outcome_stage="won",
        horizon=30, document="", created_at=NOW,
    )  # fmt: skip
    Reached.objects.create(backtest=tried, person=person, tried_at=NOW)
    Moved.objects.create(
        backtest=tried, person=person, cause="hand", moves=1, moved_at=days_ago(50), recorded_at=days_ago(50)
    )
    looked = PlacementRound.objects.create(version=version, created_at=NOW)
    Proposal.objects.create(round=looked, person=person, stage=lead, evidence="rule")


def _written_to(person: Person, by: User) -> None:
    step = making.steps(making.launched(making.simple("Nurture")))[0]
    message = making.sent(person, step, at=days_ago(2), links=[f"https://example.com/?who={EMAIL}"])
    StepRun.objects.create(enrollment=message.enrollment, step=step, at=NOW, outcome="sent", detail=EMAIL)
    MessageAttempt.objects.create(message=message, attempt=1, phase="dot", state="sent", reply="greylisted", at=NOW)
    Response.objects.create(message=message, kind="opened", actor="human", at=NOW)
    Letter.objects.create(
        message_id=message.pk, sender="ada@marlowcreek.example", recipient=EMAIL, subject=f"Hello {FIRST}",
        raw=f"To: {EMAIL}\n\nDear {NAME}".encode(), received_at=NOW,
    )  # fmt: skip


def _on_the_web(person: Person) -> None:
    """A form that was sent, the browser in which it was, and what else was seen there."""
    form, browser = forms.published(), uuid.uuid4()
    asked = {"email": EMAIL, "custom.hobby": "glassblowing"}
    submitting.submit(form.edition, submitting.Sent(asked, ("news",), {"referrer": NAME}, browser), now=NOW)
    allies = Lifecycle.objects.create(slug="allies", name="Allies", species="partner", of="account", created_at=NOW)
    programmes.set_up(allies, form=form, certified_months=None, steps=[], by=None, now=NOW)
    applications.take_in(NOW)
    Application.objects.filter(person=person).update(state="declined", decided_at=NOW, reason="asked for a trombone")
    told = {"visitor": Visitor.objects.get(person=person), "key": uuid.uuid4(), "actor": "human", "occurred_at": NOW}
    PageView.objects.create(page="example.com/bagpipes", title=f"Bagpipes for {FIRST}", **told)
    RefusedSubmission.objects.create(
        form=form, reason="trap", answers={"email": EMAIL.upper(), "city": "Tihany"}, occurred_at=NOW
    )


def _elsewhere(person: Person, other: Person, by: User) -> None:
    """Where nothing says whose it is."""
    brought = Import.objects.create(
        kind="people", file_name=f"{NAME}.csv", path="x", header=["id"], source="crm", created_at=NOW, finished_at=NOW,
        mapping={"columns": {}, "options": {}},
    )  # fmt: skip
    Reject.objects.create(imported=brought, row=2, column="id", reason="bad", raw=[EXTERNAL, "Xylographer"])
    Reject.objects.create(imported=brought, row=3, column="id", reason="bad", raw=[EMAIL, "Debrecen"])
    jobs.enqueue("import", {"import": brought.pk, "for": EMAIL}, by=by, now=NOW, title=f"{NAME}.csv")
    body = json.dumps({"id": person.pk, "email": EMAIL, "title": "Xylographer"})
    answer = {"body": body, "headers": {}}
    told: dict[str, Any] = {"caller": "1", "fingerprint": "f", "status": 201, "created_at": NOW}
    IdempotencyKey.objects.create(key="k", answer=answer, **told)
    work.add(f"Ask {NAME}", by=by, now=NOW, subject_id=other.pk)
    run(Sql("DROP TABLE IF EXISTS work.import_9_rows"))
    run(Sql("CREATE TABLE work.import_9_rows (email text, name varchar(40))"))
    run(sql("INSERT INTO work.import_9_rows VALUES ({}, {})", EMAIL, NAME))


def found(*words: str) -> list[tuple[str, str]]:
    """Where any of the words stands: the table and the word, whatever the column's type; bytes are read too."""
    tables = rows(
        Sql(
            """SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
               WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
        )
    )
    hits = []
    for (table,) in tables:
        text = "\n".join(row for (row,) in rows(sql("SELECT lower(t::text) FROM {} t", Sql(table)))).casefold()
        hits += [(table, word) for word in words if word in text or word.encode().hex() in text]
    return hits
