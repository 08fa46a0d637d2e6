"""What a rule is worth: exact to the micro-point, the same on every machine, for every half-life."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest

from scoring import rules
from scoring.models import Rule, ScoringVersion
from tests.scoring import world

PUBLISHED = ScoringVersion.State.PUBLISHED


@pytest.mark.parametrize("half_life", [1, 2, 3, 7, 10, 30, 45, 90, 365, 1000])
@pytest.mark.parametrize("points", ["1", "40", "-15", "0.000001", "1000", "0.333333"])
def test_each_age_is_worth_what_another_way_of_computing_says(points, half_life):
    worth = rules.worth(Rule(points=Decimal(points), half_life_days=half_life))
    for age in {0, 1, 2, half_life - 1, half_life, half_life + 1, 5 * half_life, 7 * half_life + 3}:
        exact = world.halved(Decimal(points), age, half_life) * rules.MICRO
        found = worth[age] if age < len(worth) else 0
        assert found == int(exact.to_integral_value(ROUND_HALF_UP)), age


@pytest.mark.parametrize("points", [1, 3, 64, 999_999_999])
def test_whole_halvings_are_exact_and_a_half_rounds_up(points):
    for halvings in range(40):
        exact = Fraction(points, 2**halvings)
        assert rules.decayed(points, halvings * 9, 9) == (2 * exact.numerator + exact.denominator) // (
            2 * exact.denominator
        )


def test_given_and_taken_points_fade_alike():
    given = rules.worth(Rule(points=Decimal("12.345678"), half_life_days=11))
    taken = rules.worth(Rule(points=Decimal("-12.345678"), half_life_days=11))
    assert taken == tuple(-each for each in given)


def test_worth_only_falls_and_ends_where_nothing_is_left_or_it_expires():
    worth = rules.worth(Rule(points=Decimal(50), half_life_days=30))
    assert list(worth) == sorted(worth, reverse=True) and worth[-1] >= 1
    assert rules.decayed(50_000_000, len(worth), 30) == 0
    assert rules.worth(Rule(points=Decimal(50), half_life_days=30, expires_days=90)) == worth[:91]
    assert rules.worth(Rule(points=Decimal(50))) == (50_000_000,)


def test_the_newest_effective_version_is_in_force():
    def version(number, day=None, state=PUBLISHED):
        since = day and datetime(2025, 1, day, tzinfo=UTC)
        return ScoringVersion(number=number, effective_from=since, state=state)

    first, second, third = version(1), version(2, 10), version(3, 5, ScoringVersion.State.DRAFT)
    at = lambda day: rules.in_force([second, third, first], datetime(2025, 1, day, tzinfo=UTC))  # noqa: E731
    assert at(9) is first
    assert at(10) is first, "as of the midnight itself is strictly before it"
    assert at(11) is second
    assert rules.in_force([second], datetime(2025, 1, 1, tzinfo=UTC)) is None
    always = version(4)
    assert rules.in_force([first, second, always], datetime(2025, 1, 1, tzinfo=UTC)) is always
