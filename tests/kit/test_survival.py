"""Survival and cumulative incidence against published tables and ones worked out by hand."""

import pytest

from kit.survival import curve

# Remission of leukaemia under 6-MP, in weeks: E. J. Freireich et al., Blood 21 (1963) 699–716; the product-limit table
# as in D. G. Kleinbaum and M. Klein, Survival Analysis, A Self-Learning Text, chapter 2.
ENDED = [(6, 3), (7, 1), (10, 1), (13, 1), (16, 1), (22, 1), (23, 1)]
STILL = [(6, 1), (9, 1), (10, 1), (11, 1), (17, 1), (19, 1), (20, 1), (25, 1), (32, 2), (34, 1), (35, 1)]
PUBLISHED = {6: (21, 0.8571), 7: (17, 0.8067), 10: (15, 0.7529), 13: (12, 0.6902), 16: (11, 0.6275),
             22: (7, 0.5378), 23: (6, 0.4482)}  # fmt: skip


def test_the_remission_of_leukaemia_is_the_published_table():
    told = curve({"relapse": ENDED}, STILL)
    assert {step.day: (step.at_risk, round(step.survival, 4)) for step in told.steps} == PUBLISHED
    assert (told.of, told.open, told.reach, told.median) == (21, 12, 35, 23)
    assert told.survival(36) is None and told.survival(35) == pytest.approx(0.4482, abs=1e-4)
    assert [told.at_risk(day) for day in (0, 10, 11, 35, 36)] == [21, 15, 13, 1, 0]
    # Greenwood: 3/(21·18) + 1/(17·16) = 0.0116130; log(−log): 0.8067 ^ exp(± 1.96 · 0.10776 / 0.21480)
    assert told.interval(7) == pytest.approx((0.5631, 0.9228), abs=2e-4)


def test_with_two_causes_each_incidence_is_worked_out_by_hand_and_all_add_up():
    # Ten: on day 1 two go on; on day 2 one detours and one is still open; on day 3 three go on and one detours;
    # two are still open on day 5.
    # S: 8/10, 7/8 · 0.8 = 0.7, then six at risk and four end: 0.7 · 2/6.
    told = curve({"on": [(1, 2), (3, 3)], "detour": [(2, 1), (3, 1)]}, [(2, 1), (5, 2)])
    assert [step.at_risk for step in told.steps] == [10, 8, 6]
    assert [step.survival for step in told.steps] == pytest.approx([0.8, 0.7, 0.7 / 3])
    assert [step.incidence["on"] for step in told.steps] == pytest.approx([0.2, 0.2, 0.2 + 0.7 * 3 / 6])
    assert [step.incidence["detour"] for step in told.steps] == pytest.approx([0, 0.1, 0.1 + 0.7 / 6])
    for step in told.steps:
        assert step.survival + sum(step.incidence.values()) == pytest.approx(1)
    assert told.reached("on") == 3 and told.reached("detour") is None and told.median == 3


def test_without_open_ones_the_incidence_is_the_plain_share():
    told = curve({"on": [(1, 3), (9, 1)], "out": [(4, 6)]}, [])
    assert told.incidence("on", 4) == pytest.approx(0.3) and told.incidence("on", 9) == pytest.approx(0.4)
    assert told.incidence("out", 9) == pytest.approx(0.6) and told.survival(9) == pytest.approx(0)
    assert told.interval(9) is None
    assert told.survival(100) == pytest.approx(0) and told.incidence("out", 100) == pytest.approx(0.6)


def test_nothing_observed_tells_nothing_and_all_open_tells_no_median():
    assert curve({}, []).survival(0) is None and curve({}, []).median is None
    told = curve({"on": []}, [(30, 5)])
    assert told.median is None and told.survival(30) == 1.0 and told.survival(31) is None
    assert curve({"on": [(-2, 1)]}, [(3, 1)]).survival(0) == pytest.approx(0.5)
