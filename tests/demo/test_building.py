"""The company before it is brought in: the same for the same seed, of the same figures for any seed and end date."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest

from demo import building, files
from demo.company import DAY, DAYS, Company
from demo.net_new import HORIZON

SEEDS = ((7, date(2026, 11, 25)), (1, date(2026, 2, 1)), (20_000, date(2025, 8, 17)), (9, date(2026, 7, 1)))

pytestmark = pytest.mark.parametrize(("seed", "end"), SEEDS)


@lru_cache
def made(seed: int, end: date) -> Company:
    return building.build(seed, end)


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def test_the_same_seed_and_end_give_the_same_bytes(seed: int, end: date, tmp_path: Path) -> None:
    files.write(made(seed, end), tmp_path / "one")
    files.write(building.build(seed, end), tmp_path / "two")
    files.write(building.build(seed + 1, end), tmp_path / "other")
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "other")


def test_totals_are_exact(seed: int, end: date) -> None:
    company = made(seed, end)
    assert Counter(person.relation for person in company.people) == {
        "prospect": 3_280 + 25, "customer": 420, "shop": 1_100, "partner": 200,
    }  # fmt: skip
    assert Counter(firm.relation for firm in company.firms) == {
        "partner": 40, "customer": 138, "former": 24, "prospect": 308, "site": 90,
    }  # fmt: skip
    assert len(company.acts) == 120_000
    outbound = [act for act in company.acts if act.direction == "outbound"]
    assert sum(act.channel == "email" for act in outbound) / len(outbound) == pytest.approx(0.62, abs=0.0005)
    assert sum(firm.industry == "" for firm in company.firms) == 54
    assert sum(firm.employees is None for firm in company.firms) == 132
    assert len({person.email for person in company.people}) == len(company.people)
    assert Counter((sale.pipeline, sale.status) for sale in company.sales) == {
        ("New business", "won"): 92, ("New business", "lost"): 104, ("New business", "open"): 34,
        ("Expansion", "won"): 30 + 16, ("Expansion", "lost"): 11, ("Expansion", "open"): 10,
    }  # fmt: skip
    assert Counter(matter.severity == "severe" for matter in company.matters) == {True: 7 + 14, False: 379}
    assert sum(matter.closed is None for matter in company.matters) == 7 + 9


def test_the_webinars_trial_is_over_and_comes_out_as_told(seed: int, end: date) -> None:
    company = made(seed, end)
    programmes = Counter(person.program for person in company.people)
    assert (programmes["invited"], programmes["held out"]) == (800, 200)
    assert Counter(member.arm for member in company.members) == {"treatment": 800, "holdout": 200}
    assert Counter(member.status for member in company.members) == {"Attended": 240, "Invited": 560, "": 200}
    assert max(member.at for member in company.members) < (DAYS - HORIZON) * DAY
    assert all(member.at <= member.invited or member.arm == "holdout" for member in company.members)
    raised = {act.whose: act.at for act in company.acts if act.content == "Form: talk to us"}
    came = Counter(m.arm for m in company.members if m.at < raised.get(m.whose, 0) < m.at + HORIZON * DAY)
    assert came == {"treatment": 360, "holdout": 68}


def test_nothing_happens_after_the_end_nor_is_written_down_before_it_happened(seed: int, end: date) -> None:
    company = made(seed, end)
    assert max(act.at for act in company.acts) < DAYS * DAY
    assert max(bought.at for bought in company.bought) < DAYS * DAY
    assert all(sale.closed is None or sale.closed < DAYS * DAY for sale in company.sales)
    assert max(sale.opened or 0 for sale in company.sales) < DAYS * DAY
    assert max(matter.opened for matter in company.matters) < DAYS * DAY
    assert all(matter.closed is None or matter.opened < matter.closed < DAYS * DAY for matter in company.matters)
    late = [act for act in company.acts if act.recorded is not None]
    assert len(late) == 140 and {act.kind for act in late} == {"Sales call"}
    assert len({company.calendar.month_of(act.at) for act in late}) == 1
    assert all(act.recorded == act.at + 20 * DAY for act in late if act.recorded)


def test_nobody_acts_before_being_seen(seed: int, end: date) -> None:
    company = made(seed, end)
    seen = {person.key: person.seen for person in company.people}
    early = [act for act in company.acts if act.whose and act.at < seen[act.whose]]
    assert early == []


def test_the_bridge_of_recurring_revenue_is_exact(seed: int, end: date) -> None:
    company = made(seed, end)

    def worth(day: int) -> dict[str, int]:
        found: Counter[str] = Counter()
        for each in company.agreements:
            if each.starts <= day and (each.ends is None or each.ends > day):
                found[each.firm] += each.annual
        return found

    before, now = worth(DAYS // 2), worth(DAYS)
    moved = {firm: now[firm] - before[firm] for firm in {*before, *now}}
    gone = sum(before[firm] for firm in before if firm not in now)
    new = sum(now[firm] for firm in now if firm not in before)
    assert (sum(before.values()), sum(now.values())) == (200_000_000, 260_000_000)
    assert (gone, new, len(set(now) - set(before))) == (18_000_000, 54_000_000, 46)
    stayed = [change for firm, change in moved.items() if firm in before and firm in now]
    assert sum(change for change in stayed if change < 0) == -6_000_000
    assert sum(change for change in stayed if change > 0) == 30_000_000


def test_the_top_fifth_brings_seven_tenths_of_the_margin(seed: int, end: date) -> None:
    company = made(seed, end)
    gained: Counter[str] = Counter()
    for each in company.bought:
        if each.firm and each.at >= (DAYS // 2) * DAY:
            gained[each.firm] += each.amount - each.cost
    ranked = sorted(gained.values(), reverse=True)
    assert len(ranked) == 138
    assert sum(ranked[:28]) / sum(ranked) == pytest.approx(0.71, abs=0.005)


def test_whoever_was_installed_in_time_would_recommend_us(seed: int, end: date) -> None:
    said = [act for act in made(seed, end).acts if act.kind == "NPS answered"]
    for content, points, off in (("installation on time", 41, 10), ("late installation", -12, 15)):  # few were late
        answers = [int(act.value) for act in said if act.content == content]
        net = sum(answer > 8 for answer in answers) - sum(answer < 7 for answer in answers)
        assert 100 * net / len(answers) == pytest.approx(points, abs=off), (content, len(answers))


def test_eighteen_customers_sent_ninety_people_of_whom_fourteen_bought_from_half_by_three(seed: int, end: date) -> None:
    company = made(seed, end)
    by = {act.content: act.firm for act in company.acts if act.kind == "Referral sent"}
    assert (len(by), len(set(by.values()))) == (90, 18)
    bought = Counter(by[sale.person.email] for sale in company.sales if sale.status == "won" and sale.person
                     and sale.person.email in by)  # fmt: skip
    assert bought.total() == 14 and sum(count for _firm, count in bought.most_common(3)) >= 7
