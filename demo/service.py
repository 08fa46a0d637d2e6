"""Service cases: what customers reported, how long it took, and the severe ones that foretell who leaves.

Of 400 cases 7 are severe and open, at the customers who are red; 14 were severe, at half a year's distance before
somebody left; of the rest all but 9 are closed within five days.
"""

from __future__ import annotations

import random

from demo.company import DAY, DAYS, Company, Matter, hour
from demo.customers import Customer

CASES, FORETOLD, OPEN = 400, 14, 9
USUAL = ("Reading looks too low", "Gateway offline", "Alarm not received", "Login for a colleague", "Cartridge late")


def build(company: Company, everybody: list[Customer]) -> None:
    """All cases of all customers."""
    draw = company.draw("service")
    for each in everybody:
        if each.red:
            _note(company, draw, each, "Readings drift", "severe", DAYS - draw.randrange(8, 26), None)
    for each in draw.sample([each for each in everybody if each.ends is not None], FORETOLD):
        assert each.ends is not None
        opened = each.ends - draw.randrange(95, 120)
        _note(company, draw, each, "Sensor failed", "severe", opened, opened + draw.randrange(10, 25))
    here = [each for each in everybody if each.ends is None and not each.red]
    for each in draw.sample(here, OPEN):
        _note(company, draw, each, draw.choice(USUAL), "normal", DAYS - draw.randrange(1, 5), None)
    known = [each for each in everybody if each.starts + 40 < min(DAYS, each.ends or DAYS) - 10]
    while len(company.matters) < CASES:
        each = draw.choice(known)
        opened = company.calendar.pick(draw, max(each.starts, 0) + 30, min(DAYS, each.ends or DAYS) - 7)
        severity = draw.choice(("low", "normal", "normal", "high"))
        _note(company, draw, each, draw.choice(USUAL), severity, opened, opened + draw.randrange(6))


def _note(
    company: Company, draw: random.Random, each: Customer, title: str, severity: str, opened: int, closed: int | None
) -> None:  # fmt: skip
    at = opened * DAY + hour(draw, 7, 12)
    done = None if closed is None else closed * DAY + hour(draw, 13, 18)
    company.matters.append(Matter(each.firm.key, title, severity, at, done))
