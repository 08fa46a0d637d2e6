"""Intervals against published tables, and exact quantiles against numbers counted by hand."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.statistics import Counts, Difference, MeanDifference, Sample, Share, as_planned, student, wilson

# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I,
# method 3 (score, without continuity correction).
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("hits", "of", "low", "high"), NEWCOMBE)
def test_the_interval_is_that_of_the_published_table(hits, of, low, high):
    found = wilson(hits, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_interval_of_all_ends_at_one_and_that_of_none_at_zero():
    assert wilson(7, 7).high == 1.0
    assert wilson(0, 7).low == 0.0


def test_nothing_to_share_has_no_interval_and_more_than_all_is_refused():
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="3 of 2 is no share"):
        wilson(3, 2)


@given(st.integers(1, 10**9).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_always_holds_the_rate(pair):
    hits, of = pair
    found = wilson(hits, of)
    assert 0 <= found.low <= hits / of <= found.high <= 1


def test_a_share_below_thirty_is_few():
    assert Share(1, 29).few
    assert not Share(1, 30).few
    assert Share(0, 0).rate is None


@pytest.mark.parametrize(
    ("numbers", "median", "p90", "mean"),
    [
        ([5], 5, 5, 5),
        ([1, 2], 1.5, 2, 1.5),
        ([1, 2, 10], 2, 10, 13 / 3),
        ([1, 1, 1, 7], 1, 7, 2.5),
        (range(1, 11), 5.5, 9, 5.5),  # nine of ten do not exceed 9
        (range(1, 101), 50.5, 90, 50.5),
        ([-2, 0, 0, 4], 0, 4, 0.5),
    ],
)
def test_quantiles_are_those_counted_by_hand(numbers, median, p90, mean):
    counts = Counts((number, 1) for number in numbers)
    assert (counts.median, counts.p90, counts.mean) == (median, p90, pytest.approx(mean))


def test_negative_numbers_stay_in_and_are_counted():
    counts = Counts([(-2, 3), (5, 1)])
    assert (counts.count, counts.negative, counts.minimum, counts.mean) == (4, 3, -2, -0.25)


def test_nothing_has_no_median():
    counts = Counts()
    assert not counts
    assert (counts.median, counts.p90, counts.mean, counts.minimum, counts.count) == (None, None, None, None, 0)


def test_two_sets_add_up_to_one():
    both = Counts([(1, 2), (3, 1)]) + Counts([(1, 1)])
    assert (both.count, both.median) == (4, 1)


@pytest.mark.parametrize(
    # Method 10 of table II in R. G. Newcombe, Statistics in Medicine 17 (1998) 873–890.
    ("treated", "held", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_that_of_the_published_table(treated, held, low, high):
    found = Difference(Share(*treated), Share(*held)).interval
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_lift_of_eleven_points_is_told_as_counted_by_hand():
    found = Difference(Share(360, 800), Share(68, 200))
    assert (found.value, found.relative) == (pytest.approx(0.11), pytest.approx(0.11 / 0.34))
    assert (round(found.interval.low, 3), round(found.interval.high, 3)) == (0.034, 0.181)
    # Pooled 428 of 1,000: the error is √(0.428 × 0.572 × (1/800 + 1/200)), z = 2.812.
    assert found.p == pytest.approx(0.00492, abs=0.00001)
    assert not found.few and Difference(Share(1, 29), Share(1, 300)).few


def test_a_difference_without_a_base_or_an_outcome_is_not_judged():
    nobody = Difference(Share(3, 10), Share(0, 0))
    assert (nobody.value, nobody.interval, nobody.relative, nobody.p) == (None, None, None, None)
    none_hit = Difference(Share(0, 10), Share(0, 10))
    assert (none_hit.value, none_hit.relative, none_hit.p) == (0, None, None)


def test_a_share_is_held_against_its_plan_by_chi_square():
    assert as_planned(200, 1000, 0.2) == 1
    # Twice as many out of a hundred thousand cannot be chance: (40,000 − 20,000)² / 16,000 = 25,000.
    assert as_planned(40_000, 100_000, 0.2) < 1e-12
    assert as_planned(10, 100, 0.18) == pytest.approx(0.0373, abs=0.0001)  # 64 / 14.76 = 4.336
    assert as_planned(0, 0, 0.2) is None
    with pytest.raises(ValueError, match="no planned share"):
        as_planned(1, 2, 0)


@pytest.mark.parametrize(
    # The usual table of Student's distribution: 95 % of it lies within this t.
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980), (1e6, 1.960)],
)
def test_students_distribution_is_that_of_the_table(freedom, t):
    assert student(t, freedom) == pytest.approx(0.975, abs=0.0001)
    assert student(-t, freedom) == pytest.approx(0.025, abs=0.0001) and student(0, freedom) == 0.5


def sample(*values):
    return Sample(len(values), statistics.mean(values), statistics.variance(values))


def test_the_difference_of_two_means_is_the_one_counted_by_hand():
    # Means 4 and 2, variances 4 and 1: the error is √(4/3 + 1/3), the freedom (5/3)² / ((16/9)/2 + (1/9)/2) = 2.941.
    found = MeanDifference(sample(2, 4, 6), sample(1, 2, 3))
    assert found.value == 2
    assert found.interval.high - 2 == 2 - found.interval.low == pytest.approx(4.1554, abs=0.0001)  # t is 3.2188
    assert found.p == pytest.approx(0.2209, abs=0.001)


def test_means_of_nothing_or_of_what_does_not_vary_are_not_judged():
    assert MeanDifference(Sample(0, 0, 0), sample(1, 2)).value is None
    one = MeanDifference(Sample(1, 3, 0), sample(1, 2))
    assert (one.value, one.interval, one.p) == (1.5, None, None)
    alike = MeanDifference(Sample(5, 3, 0), Sample(5, 3, 0))
    assert (alike.value, alike.interval, alike.p) == (0, None, None)
