"""Whatever is done to members, in whatever order, the ledger check finds nothing."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from audience import merging
from audience.models import Person
from audience.subjects import erasure
from kit import jobs
from kit.models import Job
from lifecycle.editions import migrating, versions
from lifecycle.engine import passes, rules
from lifecycle.ledger import stages, undo
from lifecycle.models import Membership, Movement, Version
from reporting import integrity
from tests.factories import NOW, SMALL, activity, draft, person, published

pytestmark = pytest.mark.django_db

# Two models between which members go to and fro: in the other one Engaged is gone, and Lead is called Warm.
OTHER = SMALL.replace("lead", "warm").replace("  - {slug: engaged, name: Engaged}\n", "").replace("engaged", "known")
OTHER = "".join(line for line in OTHER.splitlines(keepends=True) if "from: known, to: known" not in line)
WAYS = {"engaged": "known", "lead": "warm", "warm": "lead"}
WHO = st.integers(min_value=0, max_value=7)


class Ledger(RuleBasedStateMachine):
    """Four people in one lifecycle; time goes on by an hour with everything that is done."""

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.now = NOW
        published()
        self.people = [person() for _ in range(4)]
        for someone in self.people:
            self._place(someone.pk)

    def teardown(self) -> None:
        try:
            self._check()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @rule(who=WHO)
    def place(self, who: int) -> None:
        self._place(self._somebody(who).pk)

    @rule(who=WHO, to=st.integers(min_value=0, max_value=6))
    def move(self, who: int, to: int) -> None:
        membership = self._open(who)
        if membership is None:
            return
        slots = [*membership.version.stages.exclude(kind="gate").order_by("order"), None]
        target = slots[to % len(slots)]
        if target != membership.stage:
            at = self._later()
            assert stages.move(membership, to=target, reason="Moved", by=None, at=at, now=at)

    @rule(who=WHO)
    def take_back(self, who: int) -> None:
        subject = self._somebody(who)
        last = Movement.objects.filter(membership__subject_id=subject.pk).order_by("-recorded_at", "-pk").first()
        if last is not None:
            with contextlib.suppress(undo.UndoRefused):
                undo.undo(last, by=None, now=self._later())

    @rule(who=WHO)
    def do_something_and_be_judged(self, who: int) -> None:
        subject = self._somebody(who)
        subject.refresh_from_db()
        at = self._later()
        if subject.erased_at is None:
            activity(subject, at - timedelta(minutes=5))
        passes.apply(rules.read(self._live()), among=None, at=at, now=at)

    @rule(one=WHO, other=WHO)
    def merge(self, one: int, other: int) -> None:
        survivor, merged = self._somebody(one), self._somebody(other)
        for each in (survivor, merged):
            each.refresh_from_db()
        with contextlib.suppress(merging.Refused):
            merging.merge(survivor, merged, by=None, now=self._later())

    @rule(who=WHO)
    def erase(self, who: int) -> None:
        subject = self._somebody(who)
        subject.refresh_from_db()
        if subject.erased_at is None and len(self.people) > 2:
            erasure.erase(subject, by=None, now=self._later())

    @rule(other=st.booleans(), leave=st.booleans())
    def publish_the_next(self, other: bool, leave: bool) -> None:
        at, before = self._later(), self._live()
        version = draft(OTHER if other else SMALL, at)
        there = set(version.stages.values_list("slug", flat=True))
        here = before.stages.values_list("slug", flat=True)
        choices = {slug: None if leave and slug == "lead" else WAYS[slug] for slug in here if slug in WAYS
                   and WAYS[slug] in there and slug not in there}  # fmt: skip
        migrating.decide(version, choices, reason="Gone", by=None, now=at)
        self._done(versions.publish(version, by=None, now=at))

    @rule()
    def roll_back(self) -> None:
        before = Version.objects.filter(state="retired").order_by("-number").first()
        if before is not None:
            there = set(before.stages.values_list("slug", flat=True))
            missing = set(self._live().stages.values_list("slug", flat=True)) - there
            choices = {slug: WAYS[slug] for slug in missing if WAYS.get(slug) in there}
            self._done(versions.roll_back(before, by=None, now=self._later(), choices=choices))

    def _done(self, job: Job) -> None:
        jobs.run(job.pk, self.now)
        job.refresh_from_db()
        assert job.state == Job.State.DONE, job.error
        assert not Membership.objects.filter(ended_at=None, version__state="retired").exists()

    def _check(self) -> None:
        assert integrity.check(self._live().lifecycle, now=self.now) == []

    def _later(self):
        self.now += timedelta(hours=1)
        return self.now

    def _live(self) -> Version:
        return Version.objects.select_related("lifecycle").get(state="published")

    def _somebody(self, who: int):
        return self.people[who % len(self.people)]

    def _open(self, who: int) -> Membership | None:
        found = Membership.objects.select_related("version__lifecycle", "stage")
        return found.filter(subject_id=self._somebody(who).pk, ended_at=None).first()

    def _place(self, subject_id: int) -> None:
        version, at = self._live(), self._later()
        gone = Membership.objects.filter(subject_id=subject_id, ended_at=None)
        if not gone.exists() and not is_erased(subject_id):
            stages.place(subject_id, version, to=stages.first_stage(version), reason="", by=None, at=at, now=at)


def is_erased(subject_id: int) -> bool:
    return Person.objects.filter(pk=subject_id).exclude(erased_at=None).exists()


def test_the_ledger_check_finds_nothing_after_any_sequence_of_what_can_be_done():
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=12, stateful_step_count=14, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
