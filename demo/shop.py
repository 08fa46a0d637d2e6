"""The web shop: 1,100 people who measure their own water, from a first look to the fourth cartridge.

Its club has 150 of the buyers: all 109 who bought twice, and 41 others. 30 are members, 52 regulars, 22 favourites, 9
ambassadors who wrote a review; 37 cool off.
"""

from __future__ import annotations

import random

from demo.company import DAY, DAYS, HOUR, Bought, Company, Contact, hour, parted

DISCOVER, EXPLORE, ENGAGE, BUY = 1_100, 740, 400, 286
TWICE, FOUR_TIMES, LAPSED = 109, 31, 96
CLUB_ONCE, CLUB_LAPSED, REVIEWS = 30, 11, 9  # in the club: who bought once, of those who lapsed since; who wrote
LAPSES_AFTER = 180  # days without a purchase; cartridges are due every 90
SOURCES = ("Organic search", "Paid social", "Paid social", "Friend", "Press")
DISCOUNTED, UNSUBSCRIBED, OTHERS_UNSUBSCRIBED = 240, 7, 3  # 2.9 % of the one, 0.4 % of the other
MAILBOXES = ("mail.example", "post.example", "inbox.example", "letters.example")


def build(company: Company) -> None:
    """Everybody in the shop, with visits, carts, reminders and purchases."""
    draw = company.draw("shop")
    lots = parted(draw, range(DISCOVER), [DISCOVER - EXPLORE, EXPLORE - ENGAGE, ENGAGE - BUY, BUY])
    levels = {place: level for level, lot in enumerate(lots) for place in lot}
    buyers = parted(draw, lots[3], [BUY - TWICE, TWICE - FOUR_TIMES, FOUR_TIMES])
    times = {place: count for count, lot in zip((1, 2, 4), buyers, strict=True) for place in lot}
    lapsed = {*draw.sample(buyers[0], LAPSED - 26), *draw.sample(buyers[1], 26)}
    club = _club(company, buyers, lapsed)
    for place in range(DISCOVER):
        level = levels[place]
        days = _purchases(company, draw, times[place], place in lapsed) if level == 3 else []
        first = days[0] if days else company.calendar.pick(draw, 10, DAYS - 4)
        seen = max(0, first - draw.choice((1, 2, 3, 6, 9, 14, 25))) * DAY + hour(draw, 8, 21)
        person = company.contact(
            draw, "shop", draw.choice(SOURCES), seen=seen, region=draw.choice(("EMEA", "EMEA", "NA", "APAC")),
            domain=draw.choice(MAILBOXES), titles=(),
        )  # fmt: skip
        _visit(company, draw, person, level, first, days)
        if place in club:
            _join(company, person, days[0], club[place] and days[-1])
    shoppers = [person for person in company.people if person.relation == "shop"]
    young = [person for place, person in enumerate(shoppers) if levels[place] == 0 and person.seen < (DAYS - 40) * DAY]
    _discount(company, draw, young)


def _club(company: Company, buyers: list[list[int]], lapsed: set[int]) -> dict[int, bool]:
    """Who is in the club, and whether they write a review."""
    draw = company.draw("club")
    once, twice, often = buyers
    some = draw.sample([place for place in once if place not in lapsed], CLUB_ONCE)
    some += draw.sample([place for place in once if place in lapsed], CLUB_LAPSED)
    writers = set(draw.sample(often, REVIEWS))
    return {place: place in writers for place in [*some, *twice, *often]}


def _join(company: Company, person: Contact, first: int, last: int) -> None:
    """Into the club on the evening of the first purchase; a review after the last, if there is to be one."""
    at = max(first * DAY + 22 * HOUR, person.seen + HOUR)
    company.act(at, person, "Club joined", channel="website", platform="mobile", direction="inbound")
    if last:
        at = min((last + 5) * DAY, DAYS * DAY - DAY) + 20 * HOUR
        company.act(at, person, "Review written", channel="website", platform="mobile", direction="inbound")


def _purchases(company: Company, draw: random.Random, count: int, lapsed: bool) -> list[int]:
    """The days of somebody's purchases: never more than 170 apart, the last one recent unless lapsed."""
    number = count if count == 1 else draw.choice((2, 2, 3)) if count == 2 else draw.choice((4, 4, 5, 6))
    gaps = [draw.choice((84, 88, 90, 92, 95, 110, 140)) for _ in range(number - 1)]
    long = sum(gaps)
    if lapsed:
        last = company.calendar.pick(draw, 20 + long, DAYS - LAPSES_AFTER - 6)
    else:
        last = company.calendar.pick(draw, max(DAYS - LAPSES_AFTER + 12, 20 + long), DAYS - 2)
    days = [last]
    for gap in reversed(gaps):
        days.insert(0, days[0] - gap)
    return [max(day, 2 + place) for place, day in enumerate(days)]


def _visit(
    company: Company, draw: random.Random, person: Contact, level: int, first: int, days: list[int]
) -> None:  # fmt: skip
    device = draw.choice(("mobile", "mobile", "desktop", "tablet"))
    company.act(person.seen, person, "Newsletter joined", channel="website", platform=device, direction="inbound")
    at = person.seen
    if level > 0:
        at = min(at + draw.randrange(3, 12 * HOUR), first * DAY + 6 * HOUR)
        at = max(at, person.seen + 2)
        company.act(at, person, "Product viewed", channel="website", platform=device, direction="inbound")
    if level > 1:
        filled = max(min(first * DAY + 7 * HOUR, DAYS * DAY - 300), at + 2)
        company.act(filled, person, "Cart filled", channel="website", platform=device, direction="inbound")
        if level == 2 or draw.random() < 0.4:
            company.act(filled + 90, person, "Cart reminder", channel="sms", platform="mobile", direction="outbound")
        at = filled
    for number, day in enumerate(days):
        bought = max(day * DAY + hour(draw, 9, 21), at + 100)
        product, price = ("Home sensor", 14_900) if number == 0 else ("Home cartridge", 2_900)
        company.bought.append(
            Bought(f"O{len(company.bought) + 1:05}", person.key, "", product, bought, 1, price, price * 45 // 100)
        )
        due = day + 84
        if due < DAYS - 1:
            company.act(
                due * DAY + 600, person, "Email sent", channel="email", direction="outbound", campaign="Cartridge due"
            )


def _discount(company: Company, draw: random.Random, people: list[Contact]) -> None:
    """A discount sent to those who only look around: it sells nothing, and drives them off."""
    chosen = draw.sample(people, min(DISCOUNTED, len(people)))
    for place, person in enumerate(chosen):
        at = person.seen + draw.randrange(3, 9) * DAY
        company.act(
            at, person, "Email sent", channel="email", direction="outbound", campaign="Shop discount",
            content="Offer: 15 % off",
        )  # fmt: skip
        if place < UNSUBSCRIBED:
            company.act(
                at + HOUR, person, "Unsubscribed", channel="email", direction="inbound", campaign="Shop discount"
            )
    rest = [person for person in people if person not in chosen]
    for person in rest[:OTHERS_UNSUBSCRIBED]:
        company.act(
            person.seen + 9 * DAY, person, "Unsubscribed", channel="email", direction="inbound", campaign="Newsletter"
        )
