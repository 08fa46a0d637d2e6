"""The two clocks: figures as they were known on an earlier day, and moves that were recorded in a later month."""

import re
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from reporting import filling, funnel, handoffs, known, loops, plans
from reporting.metrics import recorded_late
from reporting.questions import ask
from reporting.splits import find
from reporting.windows import Window
from tests import factories
from tests.reporting.ledger import NOW, TODAY, lifecycle, on
from tests.reporting.test_handoffs import STAGES as WITH_LIMIT
from tests.reporting.test_pages import doors, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
JANUARY = Window(date(2025, 1, 1), date(2025, 2, 1))


def written(through, *steps, kind=Movement.Kind.HAND, **values):
    """Somebody goes this way: each step a stage, the day it happened and the day it was recorded."""
    version = stages.live_version(through)
    someone = factories.person(**values)
    membership = None
    for slug, happened, recorded in steps:
        to = version.stages.get(slug=slug) if slug else None
        if membership is None:
            stages.place(someone.pk, version, to=to, reason="", by=None, at=on(happened), now=on(recorded))
            membership = Membership.objects.get(subject_id=someone.pk)
        else:
            membership.refresh_from_db()
            assert stages.move(membership, to=to, reason="", by=None, at=on(happened), now=on(recorded), kind=kind)
    return membership


def histories(through):
    written(through, ("lead", 1, 1), ("mql", 5, 5), ("sql", 10, 40), ("won", 12, 50), country="DE")
    written(through, ("lead", 2, 2), ("mql", 20, 45), country="FR")
    written(through, ("lead", 3, 3), ("mql", 4, 60), ("sql", 6, 7), country="FR")  # the middle one was written last
    written(through, ("lead", 8, 33))


def then(through, day, split=None, within=None):
    """The funnel of January as it was known when a day began."""
    filling.fill(through, now=NOW)
    plan = plans.read(through)
    question = ask(plan, JANUARY, TODAY, known=on(day).date() if day else None, split=split, within=within)
    with known.entries(question) as asked:
        return funnel.answer(asked)


def flows(answer):
    return {
        row.place.slug: (row.in_flow, row.out_flow, row.balance_end) for row in answer.everybody.rows if row.in_flow
    }


def test_january_as_it_was_known_when_february_began():
    through = lifecycle()
    histories(through)
    assert flows(then(through, 32)) == {"lead": (3, 2, 1), "mql": (1, 0, 1), "sql": (1, 0, 1)}
    assert flows(then(through, None)) == {"lead": (4, 3, 1), "mql": (3, 2, 1), "sql": (2, 1, 1), "won": (1, 0, 1)}
    assert flows(then(through, 1)) == {}


def test_the_chain_is_closed_over_what_was_not_known():
    through = lifecycle()
    histories(through)
    lead = next(row for row in then(through, 32).everybody.rows if row.place.slug == "lead")
    assert {way.value: count for way, count in lead.out_by.items() if count} == {"direct": 1, "skip": 1}


def test_what_is_known_behind_the_last_record_is_what_is_known_now():
    through = lifecycle()
    histories(through)
    for split, within in ((None, None), (None, 10), (find("country", "person"), 5)):
        now, later = (then(through, day, split, within) for day in (None, 61))
        assert funnel.as_json(now) == funnel.as_json(later)


def test_other_reports_know_then_too():
    through = lifecycle(stages_of=WITH_LIMIT)
    written(through, ("mql", 6, 6), ("sal", 7, 40))
    written(through, ("mql", 6, 6), ("recycled", 8, 8), ("mql", 20, 41))
    filling.fill(through, now=NOW)
    question = ask(plans.read(through), JANUARY, TODAY, known=on(32).date()).about(stage="mql", target="sql")
    with known.entries(question) as asked:
        assert dict(handoffs.answer(asked).everybody.outcomes) == {"waiting": 1, "rejected": 1}
        assert loops.answer(asked).everybody.returned.hits == 0
    assert dict(handoffs.answer(question.about(known=None)).everybody.outcomes) == {
        "accepted": 1, "rejected": 1, "waiting": 1,
    }  # fmt: skip


class WhateverWasWritten(TestCase):
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(
            st.lists(
                st.tuples(st.sampled_from(["lead", "mql", "sql", "recycled"]), st.integers(1, 31), st.integers(1, 40)),
                min_size=1, max_size=4,
            ),
            max_size=4,
        ),
        st.integers(1, 41),
    )  # fmt: skip
    def test_the_ledger_reconciles_on_both_clocks(self, walks, day):
        through = lifecycle()
        for walk in walks:
            steps, last = [], ""
            for slug, happened, recorded in sorted(walk, key=lambda step: step[1]):
                if slug != last:
                    steps.append((slug, happened, recorded))
                last = slug
            written(through, *steps)
        for answer in (then(through, day), then(through, None)):
            assert all(row.balances and row.balance_end >= 0 for row in answer.everybody.rows)
        assert funnel.as_json(then(through, 41)) == funnel.as_json(then(through, None))


# ---- recorded late ----


def test_moves_recorded_in_a_later_month_are_counted_by_stage():
    through = lifecycle()
    histories(through)
    written(through, ("lead", 30, 31), ("mql", 31, 32))  # a day late, and in the next month
    written(through, ("lead", 1, 1), ("mql", 2, 50), kind=Movement.Kind.REPLAY)
    filling.fill(through, now=NOW)
    question = ask(plans.read(through), JANUARY, TODAY)
    assert recorded_late.by_stage(question) == {"lead": 1, "mql": 3, "sql": 1, "won": 1}


SPAN = {"from_": "2025-01-01", "to": "2025-02-01"}


@pytest.mark.parametrize("name", ["report_funnel", "report_handoffs", "report_loops"])
@pytest.mark.parametrize("more", [{}, {"split": "person.country"}])
def test_every_figure_as_known_then_opens_a_list_of_that_length(visitor, name, more):  # noqa: F811
    through = lifecycle(stages_of=WITH_LIMIT)
    histories(through)
    written(through, ("lead", 1, 1), ("mql", 6, 6), ("recycled", 8, 8), ("mql", 20, 41))
    filling.fill(through, now=NOW)
    response = page(visitor, name, known="2025-02-01", **SPAN, **more)
    assert "As known when Feb 1, 2025 began" in text(response)
    found = {door[:2]: door for door in doors(response)}
    assert len(found) > 5
    for url, metric, count, _shown in found.values():
        assert metric == "excluded" or "known=2025-02-01" in url
        opened = visitor.get(url)
        assert opened.status_code == 200, url
        listed = re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1)
        assert not count or listed == count, (metric, url)


def test_late_moves_are_said_on_the_funnel_and_open(visitor):  # noqa: F811
    through = lifecycle()
    histories(through)
    filling.fill(through, now=NOW)
    response = page(visitor, "report_funnel", **SPAN)
    assert "2 moves into “Mql” were recorded in a later month than they happened." in text(response)
    url = next(url for url, metric, _count, _shown in doors(response) if metric == "recorded_late" and "mql" in url)
    told = text(visitor.get(url))
    assert "Mar 1, 2025" in told
    assert "“never” is no day" in text(page(visitor, "report_funnel", known="never", **SPAN))
