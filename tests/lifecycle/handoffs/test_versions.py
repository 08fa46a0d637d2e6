"""Hand-offs while a new version takes over: carried, withdrawn, never offered anew; and what answers nobody's."""

from datetime import timedelta

import pytest

from kit import jobs
from lifecycle.editions import migrating, versions
from lifecycle.handoffs import answering, offering
from lifecycle.ledger import stages, undo
from lifecycle.models import Handoff, HandoffEvent, Membership, Movement
from tests.factories import NOW, draft
from tests.lifecycle.handoffs.making import HANDING, handed, seller, version
from tests.lifecycle.handoffs.test_handing import say

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)
TEXT = HANDING.replace("MISSED", "stay")


def taken_over(text, **decided):
    second = draft(text, LATER)
    migrating.decide(second, decided, reason="Gone", by=None, now=LATER)
    job = versions.publish(second, by=None, now=LATER)
    jobs.run(job.pk, LATER)
    job.refresh_from_db()
    assert job.state == "done", job.error
    second.refresh_from_db()
    return second


def test_an_open_one_goes_on_in_a_stage_of_another_name_that_is_handed_over_too_by_its_limit():
    ada = handed(version())
    renamed = TEXT.replace(
        "{slug: mql, name: MQL, kind: sla, limit_hours: 16", "{slug: ripe, name: Ripe, kind: sla, limit_hours: 8"
    )
    second = taken_over(renamed.replace("mql", "ripe"), mql="ripe")
    now = Handoff.objects.get()
    member = Membership.objects.get(pk=ada.membership_id)
    assert (now.pk, now.state, now.user, now.stage) == (ada.pk, "offered", ada.user, second.stages.get(slug="ripe"))
    assert (now.seq, now.due_at) == (member.seq, member.due_at) and now.due_at != ada.due_at
    assert not HandoffEvent.objects.filter(kind__in=("accepted", "withdrawn")).exists()
    assert answering.accept(answering.one(now), say(seller("Ina"), LATER)) == 1


def test_a_limit_that_is_another_in_the_new_version_is_the_hand_off_s_too():
    ada = handed(version())
    taken_over(TEXT.replace("limit_hours: 16", "limit_hours: 40"))
    now, member = Handoff.objects.get(), Membership.objects.get()
    assert now.due_at == member.due_at > ada.due_at and now.state == "offered"


def test_one_that_a_new_version_takes_further_on_was_accepted_by_nobody():
    handed(version())
    taken_over(TEXT, mql="sal")
    now = Handoff.objects.get()
    assert (now.state, now.answered_by) == ("withdrawn", None)
    assert Membership.objects.get().stage.slug == "sal"


def test_whoever_stood_in_a_stage_before_it_was_handed_over_waits_for_the_button():
    made = version()
    ada = handed(made)
    stages.move(
        Membership.objects.get(pk=ada.membership_id),
        to=made.stages.get(slug="sal"),
        reason="",
        by=None,
        at=NOW,
        now=NOW,
    )
    second = taken_over(
        TEXT.replace("{slug: sal, name: SAL}", "{slug: sal, name: SAL, hand_off: {accept: won2, reject: recycled}}")
        .replace("  - {slug: won, name", "  - {slug: won2, name: Talks}\n  - {slug: won, name")
        .replace(
            "transitions:\n",
            "transitions:\n  - {from: won2, to: won, by_hand: true}\n  - {from: sal, to: won2, by_hand: true}\n",
        )
    )
    assert Handoff.objects.count() == 1, "nobody is offered by a new version"
    sal = second.stages.get(slug="sal")
    assert offering.offer_waiting(sal, by=None, now=LATER) == 1
    assert Handoff.objects.get(stage=sal).state == "offered"


def test_an_undo_that_leads_forward_accepts_nothing():
    made, ina = version(), seller("Ina")
    ada = handed(made)
    answering.accept(answering.one(ada), say(ina))
    member = Membership.objects.get(pk=ada.membership_id)
    stages.move(member, to=made.stages.get(slug="mql"), reason="Wrong", by=None, at=LATER, now=LATER)
    back = stages.last_movement(member)
    assert undo.undo(back, by=None, now=LATER + timedelta(minutes=1))
    assert list(Handoff.objects.order_by("pk").values_list("state", flat=True)) == ["accepted", "withdrawn"]
    assert Movement.objects.latest("pk").kind == "undo" and Membership.objects.get().stage.slug == "sal"
