"""What comes after the sale, out of which the playbooks of customers make their stages.

Onboarding, in three lifecycles by region: of 162 customers 154 are onboarded, 2 welcomed, 2 in their first use, 2 in
use, 2 stalled. Upsell to Predict: 12 upgraded, 6 offered, 9 outgrow Monitor, 3 said “not now”, 24 are gone; the rest is
content, but for who signed within 90 days. Cross-sell of Compliance: 61 have it, 16 of them by way of an offer; 4 are
offered, 6 look around, 3 said “not now”, 64 have Monitor only, 24 are gone. Renewals: of the 31 due 9 come up, 15 talk,
7 are at risk. Referrals: 18 sent somebody, 9 are asked, 12 are happy, 8 did not answer, 91 are customers, 24 are gone.
"""

from __future__ import annotations

import random

from demo.company import DAY, DAYS, Company, Sale, hour
from demo.customers import PREDICT_SINCE, STUCK, TRIES, USES, WAITS, Customer

EXPANSION = "Expansion"  # the pipeline
STAGES = (
    # name, probability, kind
    ("Offered", 30, "open"),
    ("Terms", 60, "open"),
    ("Closed won", 100, "won"),
    ("Closed lost", 0, "lost"),
)
DAYS_OF_USE = (2, 4, 7, 9, 12, 15, 18, 21)  # after the first sensor is live
OUTGROWING, OFFERED, NOT_NOW, NOT_THEN = 9, 6, 3, 2  # of Predict
LOOKING, COMPLIANCE_OFFERED, COMPLIANCE_NOT_NOW, COMPLIANCE_NOT_THEN = 6, 4, 3, 3
FIRST_LOOKING, FIRST_OFFERED, FIRST_NOT_NOW = 4, 3, 2  # of them, at food firms with three sites and more
TALKING = 15  # of the 24 whose term ends soon and who are not red
HAPPY, ASKED, SILENT, ASKED_REFERRERS = 12, 9, 8, 11


def build(company: Company, everybody: list[Customer]) -> None:
    """What customers and we did after the sale."""
    draw = company.draw("growth")
    for each in everybody:
        _onboard(company, draw, each)
        _renew(company, draw, each)
    _talk(company, draw, everybody)
    _sell_more(company, draw, everybody)
    _sell_predict(company, draw, everybody)
    _sell_compliance(company, draw, everybody)
    _ask(company, draw, everybody)


# ---- onboarding ----


def _onboard(company: Company, draw: random.Random, each: Customer) -> None:
    """Whoever is live signs in every few days; of the youngest only as far as they are."""
    live = each.starts + each.live_after
    days: list[int] = []
    if each.lives == "":
        days = [live + after for after in DAYS_OF_USE]
    elif each.lives == USES:
        days = [live + 1, live + 2, (live + 2 + DAYS - 2) // 2, DAYS - 2]
    elif each.lives == TRIES or (each.lives == STUCK and live < DAYS):
        days = [live + 1]
    elif each.lives != WAITS and live < DAYS:
        raise ValueError(each.lives)
    for day in days:
        company.act(day * DAY + hour(draw), each.firm, "Signed in", channel="product", direction="inbound")


# ---- renewals ----


def _renew(company: Company, draw: random.Random, each: Customer) -> None:
    """A talk about each term that is over, some weeks before its end."""
    for day in each.anniversaries:
        if day < DAYS and not each.multi_year:
            _talk_of(company, draw, each, day - draw.randrange(50, 84))


def _talk(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """Of the terms that end soon, those that end first are talked about."""
    due = sorted((each for each in everybody if each.due and not each.red), key=lambda each: each.anniversaries[-1])
    for each in due[:TALKING]:
        opened = each.anniversaries[-1] - 90
        _talk_of(company, draw, each, min(opened + draw.randrange(4, 15), DAYS - 1))


def _talk_of(company: Company, draw: random.Random, each: Customer, day: int) -> None:
    company.act(day * DAY + hour(draw, 13, 17), each.firm, "Renewal talk", channel="phone", direction="outbound")


# ---- offers ----


def _sell_more(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """What was won of customers: what they have more of than a year ago, and Compliance that came later."""
    for each in everybody:
        if each.expanded > 0:
            won = (each.since - 3) * DAY + hour(draw)
            opened = won - draw.randrange(12, 27) * DAY
            if each.expansion == "Predict":
                opened = max(opened, min((PREDICT_SINCE - 10) * DAY, won - DAY))
                _press(company, draw, each, opened)
            company.act(won, each.firm, "Offer accepted", channel="meeting", content=each.expansion)
            _deal(company, each, each.expansion, each.expanded, "won", opened, won)
        if "Compliance" in each.later:
            won = (each.later["Compliance"] - 2) * DAY + hour(draw)
            opened = won - draw.randrange(12, 22) * DAY
            _look(company, draw, each, opened)
            company.act(won, each.firm, "Offer accepted", channel="meeting", content="Compliance")
            _deal(company, each, "Compliance", each.products["Compliance"], "won", opened, won)


def _sell_predict(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    some = [
        each
        for each in everybody
        if each.ends is None and not each.red and each.expansion != "Predict" and each.starts < DAYS - 365
    ]
    chosen = iter(draw.sample(some, OUTGROWING + OFFERED + NOT_NOW + NOT_THEN))
    for _ in range(OUTGROWING):
        _press(company, draw, next(chosen), (DAYS - 1) * DAY)
    for _ in range(OFFERED):
        _offer(company, draw, next(chosen), "Predict", DAYS - draw.randrange(4, 40))
    for lately, count in ((True, NOT_NOW), (False, NOT_THEN)):
        for _ in range(count):
            _refuse(company, draw, next(chosen), "Predict", lately)


def _sell_compliance(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """To who has Monitor only; the large food firms first, of which seven in ten have it."""
    without = [
        each
        for each in everybody
        if each.ends is None and not each.red and "Compliance" not in each.products and each.starts < DAYS - 120
    ]
    large = [each for each in without if each.firm.industry == "Food & beverage" and each.firm.sites > 2]
    draw.shuffle(large)
    rest = draw.sample([each for each in without if each not in large], len(without) - len(large))
    first, then = iter(large), iter(rest)

    def lot(count: int, of_large: int) -> list[Customer]:
        some = [each for _, each in zip(range(of_large), first, strict=False)]
        return some + [next(then) for _ in range(count - len(some))]

    for each in lot(LOOKING, FIRST_LOOKING):
        _look(company, draw, each, (DAYS - 1) * DAY)
    for each in lot(COMPLIANCE_OFFERED, FIRST_OFFERED):
        _offer(company, draw, each, "Compliance", DAYS - draw.randrange(4, 40))
    for each in lot(COMPLIANCE_NOT_NOW, FIRST_NOT_NOW):
        _refuse(company, draw, each, "Compliance", lately=True)
    for each in lot(COMPLIANCE_NOT_THEN, 0):
        _refuse(company, draw, each, "Compliance", lately=False)


def _offer(company: Company, draw: random.Random, each: Customer, product: str, day: int) -> int:
    """An offer that is open; when it was made."""
    at = day * DAY + hour(draw, 9, 16)
    _interest(company, draw, each, product, at)
    company.act(at, each.firm, "Offer made", channel="meeting", direction="outbound", content=product)
    _deal(company, each, product, max(each.now // 5, 1_000), "open", at, None)
    return at


def _refuse(company: Company, draw: random.Random, each: Customer, product: str, lately: bool) -> None:
    """An offer that was refused: lately, or so long ago that it may be made again."""
    lost = (DAYS - (draw.randrange(10, 60) if lately else draw.randrange(120, 190))) * DAY + hour(draw, 9, 16)
    opened = lost - draw.randrange(12, 26) * DAY
    _interest(company, draw, each, product, opened)
    company.act(lost, each.firm, "Offer declined", channel="meeting", reason="Not now", content=product)
    _deal(company, each, product, max(each.now // 5, 1_000), "lost", opened, lost)


def _interest(company: Company, draw: random.Random, each: Customer, product: str, until: int) -> None:
    (_press if product == "Predict" else _look)(company, draw, each, until)


def _press(company: Company, draw: random.Random, each: Customer, until: int) -> None:
    """Somebody comes to the limits of Monitor, some weeks before this moment."""
    for back in sorted(draw.sample(range(2, 24), 4), reverse=True):
        at = (until // DAY - back) * DAY + hour(draw)
        company.act(at, each.firm, "Limit reached", channel="product", direction="inbound", content="Alarms a month")


def _look(company: Company, draw: random.Random, each: Customer, until: int) -> None:
    """Somebody looks at Compliance, some weeks before this moment."""
    for back in sorted(draw.sample(range(2, 24), 3), reverse=True):
        at = (until // DAY - back) * DAY + hour(draw)
        company.act(at, each.firm, "Offer viewed", channel="website", direction="inbound", content="Compliance")


def _deal(
    company: Company, each: Customer, product: str, euros: int, status: str, opened: int, closed: int | None
) -> None:  # fmt: skip
    stage = {"won": "Closed won", "lost": "Closed lost", "open": "Offered"}[status]
    company.sales.append(
        Sale(
            key=f"E{len(company.sales) + 1:04}", name=f"{each.firm.name} – {product}", person=None, firm=each.firm,
            status=status, stage=stage, opened=opened, closed=closed, amount=euros * 100, product=product,
            reason="Not now" if status == "lost" else "", owner=each.firm.owner, pipeline=EXPANSION,
        )
    )  # fmt: skip


# ---- referrals ----


def _ask(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """Who wrote a review is asked for a referral: some did without, some never answered."""
    referrers = [each for each in everybody if each.referred]
    for each in draw.sample(referrers, ASKED_REFERRERS):
        first = min(each.referred) // DAY
        _review(company, draw, each, first - 20)
        _request(company, draw, each, first - 10)
    others = [each for each in everybody if each.ends is None and not each.referred and each.starts < DAYS - 240]
    chosen = iter(draw.sample(others, HAPPY + ASKED + SILENT))
    for _ in range(HAPPY):
        _review(company, draw, next(chosen), DAYS - draw.randrange(2, 90))
    for _ in range(ASKED):
        each, day = next(chosen), DAYS - draw.randrange(2, 40)
        _review(company, draw, each, day - draw.randrange(3, 25))
        _request(company, draw, each, day)
    for _ in range(SILENT):
        each, day = next(chosen), DAYS - draw.randrange(70, 150)
        _review(company, draw, each, day - draw.randrange(3, 25))
        _request(company, draw, each, day)


def _review(company: Company, draw: random.Random, each: Customer, day: int) -> None:
    at = day * DAY + hour(draw)
    company.act(at, each.firm, "Review written", channel="website", direction="inbound")


def _request(company: Company, draw: random.Random, each: Customer, day: int) -> None:
    at = day * DAY + hour(draw)
    company.act(at, each.firm, "Referral asked", channel="email", direction="outbound")
