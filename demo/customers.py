"""The customers: 70 at the opening and 92 won since, of which 24 have left; contracts, renewals, orders, usage.

A year of a customer is a term: signed or renewed, worked with, due, renewed or ended. Money is spread over them so that
the year's bridge is exact: 2.00m a year ago, less 0.18 and 0.06, and 0.30 and 0.54 more, make 2.60m.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from demo.company import DAY, DAYS, INDUSTRIES, Agreement, Bought, Company, Contact, Firm, Sale, hour, parted, spread
from demo.net_new import Lead

YEAR = DAYS // 2
OPENING_BY_INDUSTRY = {"Food & beverage": 37, "Aquaculture": 22, "Utilities": 11}
OPENING_BY_REGION = {"EMEA": 42, "NA": 22, "APAC": 6}
FORMER_BY_INDUSTRY = {"Food & beverage": 13, "Aquaculture": 9, "Utilities": 2}
STAFF = 6  # people we know at each of the opening customers
ENDED_FIRST_YEAR, ENDED_OPENING, ENDED_WON = 10, 7, 7
MULTI_YEAR = 10
SOON = 90  # days before the end of a term in which it is due
# Euros a year.
A_YEAR_AGO, CHURN, CONTRACTION, EXPANSION, NEW = 2_000_000, 180_000, 60_000, 300_000, 540_000
DUE, DUE_VALUE, RED, RED_VALUE, NOTICES = 31, 620_000, 7, 170_000, 3
CONTRACTED, EXPANDED = 6, 30
EXPANDED_BY = ("API",) * 12 + ("Predict",) * 12 + ("Calibration",) * 6
PREDICT_SINCE = DAYS - 243  # day on which Predict was launched
COMPLIANCE, CALIBRATION, API = 61, 52, 17
MANY_SITES, MANY_WITH_COMPLIANCE, ONE_MORE_SITE = 38, 27, 14
LATE_LIVE, LATE_LIVE_LOST = 14, 5
NEVER = 10 * DAYS  # days until the first sensor is live, of whoever has none yet
LATER_COMPLIANCE = 16  # of the 61: signed for it while they had Monitor already
# What was answered to “would you recommend us”: +41 where the installation was on time, -12 where it was late.
ON_TIME, LATE = (10, 9, 9, 9, 10, 8, 7, 8, 9, 5, 6, 10), (9, 10, 7, 8, 5, 6, 4, 8)
TOP, TOP_SHARE, MARGIN = 28, 0.71, 1_840_000
SIGMA = 1.4  # of the logarithms of the customers' margins
MARGIN_RATE = 0.55
REFERRERS, REFERRER_WINS = 18, 7
WAITS, TRIES, USES, STUCK = "waits", "tries", "uses", "stuck"
STUCK_SINCE = 45  # days at least since whoever is stuck has signed


@dataclass(eq=False)
class Customer:
    """One customer's terms and money; days since the start of the two years, euros a year."""

    firm: Firm
    starts: int
    won: bool
    ends: int | None = None
    multi_year: bool = False
    red: bool = False
    live_after: int = 20
    now: int = 0
    before: int = 0
    expanded: int = 0
    expansion: str = ""
    since: int = 0  # the day on which what it has more of began
    products: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)  # the day on which a product began that it had not at first
    margin: int = 0
    lives: str = ""  # of the youngest: how far they are with their first sensor
    referred: list[int] = field(default_factory=list)  # when it sent somebody

    @property
    def anniversaries(self) -> list[int]:
        """The days on which a term is over, the next one to come included."""
        if self.multi_year:
            return [self.starts + 3 * YEAR]
        found, day = [], self.starts + YEAR
        while True:
            found.append(day)
            if day >= DAYS or day == self.ends:
                return found
            day += YEAR

    @property
    def due(self) -> bool:
        """Whether the next term is over within 90 days."""
        return self.ends is None and not self.multi_year and DAYS <= self.anniversaries[-1] < DAYS + SOON


def build(company: Company, leads: list[Lead]) -> list[Customer]:
    """All customers with their sites, people, contracts, orders and what happened."""
    draw = company.draw("customers")
    won = _won(draw, company, leads)
    opening = _opening(draw, company, DUE - sum(each.due for each in won))
    everybody = [*opening, *won]
    for each in everybody:
        each.firm.relation = "former" if each.ends is not None else "customer"
    _value(draw, everybody)
    _site(draw, company, everybody)
    _own(draw, everybody)
    _sign(company, draw, everybody)
    _order(company, draw, everybody)
    answers = {late: _dealt(draw, given) for late, given in ((False, ON_TIME), (True, LATE))}
    for each in everybody:
        _live(company, draw, each, answers)
    _refer(company, draw, leads, everybody)
    return everybody


def _won(draw: random.Random, company: Company, leads: list[Lead]) -> list[Customer]:
    made = []
    for lead in leads:
        if lead.result.startswith("won"):
            assert lead.person and lead.person.firm
            made.append(Customer(lead.person.firm, _signs(lead.closed // DAY), won=True))
    first_year = [each for each in made if each.starts < YEAR]
    late = draw.sample(first_year, LATE_LIVE)
    lost = draw.sample(late, LATE_LIVE_LOST)
    lost += draw.sample([each for each in first_year if each not in late], ENDED_WON - LATE_LIVE_LOST)
    for each in late:
        each.live_after = draw.randrange(34, 75)
    for each in lost:
        each.ends = each.starts + YEAR
    for each in made:
        if each not in late:
            each.live_after = draw.randrange(9, 30)
    _begin(made)
    return made


def _signs(won: int) -> int:
    """The day on which a contract begins that was won on a day. No term ends just ninety days after the last day: it
    would have come up for renewal, and not be counted among those that are due within ninety days."""
    starts = won + 2
    return starts - 1 if (DAYS + SOON - starts) % YEAR == 0 else starts


def _begin(made: list[Customer]) -> None:
    """How far the youngest are: two wait, two try, two use it, two are stuck; the rest are done."""
    young = sorted(made, key=lambda each: -each.starts)
    ways = ((WAITS, NEVER), (WAITS, NEVER), (TRIES, 2), (TRIES, 2), (USES, 1), (USES, 1))
    stuck = [each for each in young[len(ways) :] if each.starts <= DAYS - STUCK_SINCE][:2]
    for each, (lives, after) in zip([*young[: len(ways)], *stuck], (*ways, (STUCK, NEVER), (STUCK, 5)), strict=True):
        each.lives, each.live_after = lives, after
    for each in young:
        if not each.lives and each.starts > DAYS - 60:
            each.live_after = min(each.live_after, max(DAYS - each.starts - 25, 2))


def _opening(draw: random.Random, company: Company, due: int) -> list[Customer]:
    """Those who were there at the start, so many of them due within the next 90 days."""
    kinds = parted(draw, range(70), [ENDED_FIRST_YEAR, ENDED_OPENING, MULTI_YEAR, due, 53 - MULTI_YEAR - due])
    industries = [name for name in INDUSTRIES for _ in range(OPENING_BY_INDUSTRY[name])]
    regions = [name for name, count in OPENING_BY_REGION.items() for _ in range(count)]
    draw.shuffle(industries)
    draw.shuffle(regions)
    made = []
    for place in range(70):
        kind = next(number for number, lot in enumerate(kinds) if place in lot)
        first = draw.randrange(5, 88) if kind == 3 else draw.randrange(96, 358)
        starts = first - YEAR if kind != 2 else draw.randrange(-260, -20)
        firm = company.firm(draw, "customer", industries[place], regions[place], seen=starts * DAY + hour(draw))
        each = Customer(firm, starts, won=False, live_after=draw.randrange(10, 50), multi_year=kind == 2)
        if kind < 2:
            each.ends = first + kind * YEAR
        for _ in range(STAFF):
            company.contact(draw, "customer", "Customer base", seen=draw.randrange(20) * DAY + hour(draw), firm=firm)
        made.append(each)
    return made


# ---- money ----


def _value(draw: random.Random, everybody: list[Customer]) -> None:
    """Annual values: what each is worth now, and a year ago."""

    def share(some: list[Customer], total: int) -> None:
        weights = [draw.lognormvariate(0, 0.8) for _ in some]
        for each, value in zip(some, spread(total, weights, least=1_200), strict=True):
            each.now = value

    new = [each for each in everybody if each.starts >= YEAR]
    old = [each for each in everybody if each.starts < YEAR and each.ends is None]
    due_new, due_old = [each for each in new if each.due], [each for each in old if each.due]
    for each in draw.sample(due_old, RED):
        each.red = True
    new_value = NEW * len(due_new) // max(len(new), 1)
    old_value = A_YEAR_AGO - CHURN - CONTRACTION + EXPANSION
    share(due_new, new_value)
    share([each for each in new if not each.due], NEW - new_value)
    share([each for each in due_old if each.red], RED_VALUE)
    share([each for each in due_old if not each.red], DUE_VALUE - new_value - RED_VALUE)
    share([each for each in old if not each.due], old_value - (DUE_VALUE - new_value))
    share([each for each in everybody if each.ends is not None and each.ends >= YEAR], CHURN)
    share([each for each in everybody if each.ends is not None and each.ends < YEAR], 95_000)
    for each in everybody:
        each.before = each.now if each.starts < YEAR else 0
    larger = sorted((each for each in old if not each.red), key=lambda each: -each.now)[: EXPANDED + 20]
    expanded = draw.sample(larger, EXPANDED)
    for each, value in zip(expanded, spread(EXPANSION, [each.now for each in expanded]), strict=True):
        each.expanded, each.before = value, each.now - value
    smaller = draw.sample([each for each in old if not each.expanded and not each.red], CONTRACTED)
    for each, value in zip(smaller, spread(CONTRACTION, [1.0 + draw.random() for _ in smaller]), strict=True):
        each.expanded, each.before = -value, each.now + value


# ---- sites and products ----


def _site(draw: random.Random, company: Company, everybody: list[Customer]) -> None:
    food = [each for each in everybody if each.firm.industry == "Food & beverage" and each.ends is None]
    many = draw.sample(food, MANY_SITES)
    one = draw.sample([each for each in everybody if each not in many and each.ends is None], ONE_MORE_SITE)
    for each, sites in [*((each, 2) for each in many), *((each, 1) for each in one)]:
        for _ in range(sites):
            company.firm(draw, "site", each.firm.industry, each.firm.region, parent=each.firm, seen=each.firm.seen)


def _own(draw: random.Random, everybody: list[Customer]) -> None:
    """Who has what, with the value of each: Monitor has what the others leave."""
    here = [each for each in everybody if each.ends is None]
    expanded = [each for each in here if each.expanded > 0]
    for each, product in zip(expanded, draw.sample(EXPANDED_BY, EXPANDED), strict=True):
        each.expansion = product
    many = [each for each in here if each.firm.industry == "Food & beverage" and each.firm.sites > 2]
    compliance = draw.sample(many, MANY_WITH_COMPLIANCE)
    compliance += draw.sample([each for each in here if each not in many], COMPLIANCE - MANY_WITH_COMPLIANCE)
    calibration = draw.sample(
        [each for each in here if each.expansion != "Calibration"], CALIBRATION - EXPANDED_BY.count("Calibration")
    )
    api = draw.sample([each for each in here if each.expansion != "API"], API - EXPANDED_BY.count("API"))
    for some, product, part in (
        (compliance, "Compliance", 0.22),
        (calibration, "Calibration", 0.14),
        (api, "API", 0.1),
    ):
        for each in some:
            base = each.now - max(each.expanded, 0)
            each.products[product] = max(int(base * part), 1)
    early = [each for each in compliance if each.starts < YEAR - 150]
    for each in draw.sample(early, LATER_COMPLIANCE):
        each.later["Compliance"] = draw.randrange(max(each.starts, 0) + 75, YEAR - 10)
    for each in everybody:
        each.products["Monitor"] = each.now - max(each.expanded, 0) - sum(each.products.values())


def _sign(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """Contracts, one for each product of a customer; and what their deals were worth."""
    sales = {sale.firm.key: sale for sale in company.sales if sale.firm and sale.status == "won"}
    soon = draw.sample([each for each in everybody if each.due], NOTICES)
    for each in everybody:
        over = each.anniversaries[-1]
        notice = DAYS + draw.randrange(2, 13) if each in soon else over - 90 if over > DAYS + 110 else DAYS - 5
        if each.due and each not in soon:
            notice = min(over - 60, DAYS - 3) if over < DAYS + 80 else DAYS + 15 + draw.randrange(4)
        if each.ends is not None:
            notice = over - 60
        for product, value in sorted(each.products.items()):
            starts = each.later.get(product, each.starts)
            _agree(company, each, product, starts, over, notice, each.ends, value)
        if each.expanded > 0:
            first = PREDICT_SINCE if each.expansion == "Predict" else YEAR + 5
            since = company.calendar.pick(draw, max(first, each.starts + 30), DAYS - 12)
            each.since = since
            _agree(company, each, each.expansion, since, over, notice, None, each.expanded)
        if each.expanded < 0:
            last = max(each.anniversaries[-2] if len(each.anniversaries) > 1 else 0, YEAR + 10)
            _agree(company, each, "Calibration", each.starts, None, None, last, -each.expanded)
        if each.won:
            sale: Sale = sales[each.firm.key]
            sale.amount = (each.before or each.now) * 100


def _agree(
    company: Company, each: Customer, product: str, starts: int, renews: int | None, notice: int | None,
    ends: int | None, euros: int,
) -> None:  # fmt: skip
    number = len(company.agreements) + 1
    company.agreements.append(
        Agreement(
            f"C{number:04}", each.firm.key, product, starts, renews, notice if renews is not None else None, ends,
            euros * 100, auto_renew=not each.multi_year,
        )
    )  # fmt: skip


# ---- orders ----


def _order(company: Company, draw: random.Random, everybody: list[Customer]) -> None:
    """What was ordered beside the contracts; in the last year 28 of the 138 bring 71 % of the margin."""
    here = [each for each in everybody if each.ends is None]
    normal = NormalDist()
    weights = [math.exp(SIGMA * normal.inv_cdf(1 - (place + 0.5) / len(here))) for place in range(len(here))]
    ranked = sorted(here, key=lambda each: -each.now * draw.lognormvariate(0, 0.25))
    top = round(MARGIN * TOP_SHARE)
    shares = spread(top, weights[:TOP]) + spread(MARGIN - top, weights[TOP:], least=60)
    for each, margin in zip(ranked, shares, strict=True):
        each.margin = margin
        _buy(company, draw, each, margin, max(each.starts, YEAR) + 1, DAYS - 1)
        if each.starts < YEAR:
            _buy(company, draw, each, margin * 4 // 5, max(each.starts, 0) + 1, YEAR - 1)
    for each in everybody:
        if each.ends is not None:  # whoever leaves stops ordering long before
            _buy(company, draw, each, each.now // 4, max(each.starts, 0) + 1, min(each.ends - 60, YEAR - 1))


def _buy(company: Company, draw: random.Random, each: Customer, margin: int, first: int, last: int) -> None:
    """Orders between two days that leave this margin, in euros."""
    if last <= first or margin <= 0:
        return
    orders = min(max(2, (last - first) // 45), margin)
    days = sorted(company.calendar.pick(draw, first, last) for _ in range(orders))
    for day, gain in zip(days, spread(margin * 100, [draw.uniform(0.6, 1.4) for _ in days]), strict=True):
        amount = round(gain / MARGIN_RATE)
        product, price = ("Sensor pack", 249_000) if amount > 400_000 else ("Cartridge", 4_900)
        company.bought.append(
            Bought(
                f"O{len(company.bought) + 1:05}", "", each.firm.key, product, day * DAY + hour(draw),
                max(1, round(amount / price)), amount, amount - gain,
            )
        )  # fmt: skip


# ---- what happened ----


def _dealt(draw: random.Random, given: tuple[int, ...]) -> Iterator[int]:
    """These answers again and again, each round in another order."""
    while True:
        yield from draw.sample(given, len(given))


def _live(company: Company, draw: random.Random, each: Customer, answers: Mapping[bool, Iterator[int]]) -> None:
    """A customer's milestones, with what success, usage and service leave behind."""
    firm, signed = each.firm, each.starts * DAY + hour(draw)
    company.act(signed, firm, "Contract signed", channel="meeting")
    live = each.starts + each.live_after
    if live < DAYS:
        company.act(live * DAY + hour(draw), firm, "First sensor live", channel="product", direction="inbound")
    for day in each.anniversaries:
        opened = day - 90
        if opened < DAYS and not each.multi_year:
            at = max(opened * DAY + hour(draw, 9, 12), signed + 60 * DAY)
            company.act(at, firm, "Renewal window opened", channel="email", direction="outbound")
        if day >= DAYS:
            continue
        at = day * DAY + hour(draw, 9, 17)
        if day == each.ends:
            company.act(
                at,
                firm,
                "Contract ended",
                channel="email",
                reason=draw.choice(("Price", "Site closed", "Competitor", "No use")),
            )
        else:
            company.act(at, firm, "Contract renewed", channel="email", direction="inbound")
            company.act(at + DAY, firm, "Term started")
    _use(company, draw, each, live)
    asked = each.starts + 120
    if each.won and asked < min(DAYS, each.ends or DAYS):
        late = each.live_after > 30
        company.act(
            asked * DAY + hour(draw), firm, "NPS answered", channel="email", direction="inbound",
            value=str(next(answers[late])), content="late installation" if late else "installation on time",
        )  # fmt: skip


def _use(company: Company, draw: random.Random, each: Customer, live: int) -> None:
    """A figure of usage a month, in thousands of readings; it falls by two fifths before trouble."""
    level = draw.lognormvariate(3.5, 0.5)
    for day in range(max(live + 30, 10), min(DAYS, each.ends or DAYS), 30):
        falling = (each.red and day > DAYS - 60) or (each.ends is not None and day > each.ends - 120)
        value = level * draw.uniform(0.95, 1.06) * (0.58 if falling else 1)
        company.act(
            day * DAY + 300, each.firm, "Usage reported", channel="product", direction="inbound", value=f"{value:.1f}"
        )


def _refer(company: Company, draw: random.Random, leads: list[Lead], everybody: list[Customer]) -> None:
    """Ninety people were sent by eighteen customers; three of them sent half of those who bought."""
    sent = [lead for lead in leads if lead.source == "Customer referral"]
    long = sorted((each for each in everybody if not each.won and each.ends is None), key=lambda each: each.firm.key)
    referrers: list[Customer] = draw.sample(long, REFERRERS)
    won = [lead for lead in sent if lead.result.startswith("won")]
    rest = [lead for lead in sent if lead not in won]
    draw.shuffle(rest)
    by: list[tuple[Lead, Customer]] = [(lead, referrers[place % 3]) for place, lead in enumerate(won[:REFERRER_WINS])]
    by += [(lead, referrers[3 + place % 15]) for place, lead in enumerate(won[REFERRER_WINS:])]
    by += [(lead, referrers[place % REFERRERS]) for place, lead in enumerate(rest)]
    for lead, each in by:
        person: Contact | None = lead.person
        assert person
        each.referred.append(max(lead.seen - 30, 5))
        company.act(each.referred[-1], each.firm, "Referral sent", channel="referral", content=person.email)
