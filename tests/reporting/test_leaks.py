"""Leaks against a table counted by hand, and on their page, where every rate opens its people."""

from datetime import date

import pytest

from audience.models import Deal, DealRole
from reporting import filling, leaks, plans, splits
from reporting.questions import ask
from reporting.windows import Window
from tests import asking
from tests.reporting.ledger import NOW, TODAY, lifecycle, on, walk
from tests.reporting.test_pages import page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

WINTER = Window(date(2025, 1, 1), date(2025, 3, 1))


def winter(through):
    """Of 40 Germans 10 become MQLs, of 40 French 30, of 5 Danes none; a fifth of the MQLs is won, with deals of 1,000."""
    for country, number, mqls in (("DE", 40, 10), ("FR", 40, 30), ("DK", 5, 0)):
        for nth in range(number):
            steps = [("lead", 1)] + [("mql", 5)] * (nth < mqls)
            if nth < mqls // 5:
                steps += [("sql", 6), ("won", 8)]
            member = walk(through, *steps, country=country)
            if len(steps) == 4:
                deal = Deal.objects.create(
                    name="Deal", status="won", amount=100_000, currency="EUR", opened_at=on(6), closed_at=on(8),
                    recorded_at=NOW, source="tests", external_id=str(member.pk),
                )  # fmt: skip
                DealRole.objects.create(deal=deal, person_id=member.person_id)


def asked(through):
    plan = plans.read(through)
    return ask(plan, WINTER, TODAY, split=splits.find("person.country", "person"), now=NOW)


def test_the_largest_leak_is_what_the_rate_of_all_would_have_brought():
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    answer = leaks.answer(asked(through))
    first = answer.ranked[0]
    assert (first.stage.slug, first.target.slug, first.bucket) == ("lead", "mql", "DE")
    assert ((first.own.hits, first.own.of), (first.everybody.hits, first.everybody.of)) == ((10, 40), (40, 85))
    assert first.lost == pytest.approx((40 / 85 - 10 / 40) * 40)
    assert first.lost_wins == pytest.approx(first.lost * 8 / 40)
    assert (answer.value, answer.deals) == (100_000, 8)
    assert answer.worth(first) == pytest.approx(first.lost_wins * 100_000)
    assert not first.may_be_chance
    assert not [each for each in answer.ranked if each.bucket in ("DK", "FR") and each.stage.slug == "lead"]
    assert ("lead", "DK") in {(each.stage.slug, each.bucket) for each in answer.few}


def test_the_page_names_it_first_says_what_is_too_little_and_leaves_as_a_file(visitor):  # noqa: F811
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    span = {"split": "person.country", "from": "2025-01-01", "to": "2025-03-01"}
    shown = text(page(visitor, "report_leaks", **span))
    assert "DE, from “Lead” to “Mql”" in shown and "25.0%" in shown and "fewer than 30 people" in shown
    assert "The mean value is" in shown
    told = visitor.get("/reports/leaks/", span | {"export": "csv"})
    lines = b"".join(told.streaming_content).decode().splitlines()
    assert lines[1].startswith("lead,mql,DE,40,10,0.25,")
    for nonsense in ({"split": "x\x00"}, {"lifecycle": "gone"}, {"within": "9" * 30}, {"from": "2999"}):
        assert visitor.get("/reports/leaks/", nonsense).status_code == 200


def test_without_deals_leaks_are_ranked_by_wins_and_the_page_says_so(visitor):  # noqa: F811
    through = lifecycle()
    for nth in range(60):
        steps = [("lead", 1)] + [("mql", 5), ("sql", 6), ("won", 7)] * (nth % 4 == 0 and nth < 30 or nth >= 30)
        walk(through, *steps, country="DE" if nth < 30 else "FR")
    filling.fill(through, now=NOW)
    answer = leaks.answer(asked(through))
    assert answer.value is None and answer.worth(answer.ranked[0]) is None
    shown = text(page(visitor, "report_leaks", split="person.country", **{"from": "2025-01-01", "to": "2025-03-01"}))
    assert "No won deal has an amount" in shown


def test_programs_read_the_leaks_of_the_page_parted_as_it_does_unless_they_say_how():
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    api = asking.by(asking.user())
    span = {"from": "2025-01-01", "to": "2025-03-01"}
    told = api.get("/api/v1/reports/leaks/", span | {"split": "person.country"}).json()
    [table] = [each["table"] for each in told["sections"] if each["id"] == "leaks"]
    first = table["lines"][0]
    assert first["head"] == "Lead → Mql: DE" and told["split"] == "person.country"
    own, _interval, everybody, lost, _wins, worth = first["figures"]
    assert (own["count"], own["of"], everybody["count"], everybody["of"]) == (10, 40, 40, 85)
    assert lost["value"] == pytest.approx((40 / 85 - 10 / 40) * 40) and worth["value"] > 0
    behind = api.get(own["people"].replace("http://testserver", ""))
    assert len(behind.json()["results"]) == 10
    assert api.get("/api/v1/reports/leaks/", span).json()["split"] == "account.industry"
    asking.problem(api.get("/api/v1/reports/leaks/", {"split": "person.nothing"}), 400, "not_understood")
    asking.problem(api.get("/api/v1/reports/leaks/", {"stage": "lead"}), 400, "unknown_parameter")
