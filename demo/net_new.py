"""What became of the 3,280 new people at firms: from the first touch through the hand-off to a deal, won, lost or open.

The plan is drawn before the people: each of the 590 that reach MQL is given a fate (region, how fast sales answered,
what came of it), fates are dealt to channels, industries and programmes in the numbers of the demo's story, and only
then written as activities and deals, out of which the product's rules make the stages. What is drawn beside a fate is
noise, and stays below what the rules ask for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from demo import names
from demo.company import (
    DAY,
    DAYS,
    HOUR,
    INDUSTRIES,
    MONTH,
    REGIONS,
    Company,
    Contact,
    Firm,
    Member,
    Sale,
    Step,
    awake,
    hour,
    parted,
)

# Channel: people known, engaged, MQL, won.
CHANNELS = {
    "Organic search": (760, 441, 195, 27),
    "Paid search": (620, 310, 118, 10),
    "Paid social": (980, 294, 62, 3),
    "Event": (330, 198, 96, 14),
    "Partner": (190, 118, 66, 22),
    "Customer referral": (90, 63, 40, 14),
    "Webinar": (210, 38, 10, 2),
    "Bought list": (100, 14, 3, 0),
}
# How fast sales answered, by region: accepted, and of those to SQL.
FAST, DAYS_LATER, LATE = "within a day", "1 to 5 days", "later"
ANSWERED = {
    ("EMEA", FAST): (118, 83),
    ("EMEA", DAYS_LATER): (62, 39),
    ("EMEA", LATE): (12, 3),
    ("NA", FAST): (70, 49),
    ("NA", DAYS_LATER): (42, 25),
    ("NA", LATE): (28, 13),
    ("APAC", FAST): (22, 11),
    ("APAC", DAYS_LATER): (6, 3),
    ("APAC", LATE): (24, 4),
}
REJECTED = {"EMEA": 54, "NA": 43, "APAC": 21}
REJECTED_LATE = {"EMEA": 0, "NA": 3, "APAC": 15}
EXPIRED = {"EMEA": 9, "NA": 12, "APAC": 55}
WAITING = {"EMEA": 5, "NA": 5, "APAC": 2}
REASONS = {"Wrong contact": 41, "No budget": 34, "Not now": 29, "Competitor": 14}
# Of the MQLs of the first twelve months (the score's first version) and since.
FIRST_YEAR, FIRST_YEAR_SQL = 270, 86
MQL_BY_INDUSTRY = {"Food & beverage": 291, "Aquaculture": 225, "Utilities": 74}
WON_BY_INDUSTRY = {"Food & beverage": 50, "Aquaculture": 33, "Utilities": 9}
ENGAGED_BY_INDUSTRY = {"Food & beverage": 560, "Aquaculture": 385, "Utilities": 531}
ENGAGED_BY_REGION = {"EMEA": 680, "NA": 500, "APAC": 296}
KNOWN_BY_INDUSTRY = {"Food & beverage": 600, "Aquaculture": 450, "Utilities": 459, "": 295}
KNOWN_BY_REGION = {"EMEA": 900, "NA": 595, "APAC": 309}
# Who was invited to the webinars of Explore, and who was held out to see what they are good for.
ATTENDED, INVITED, HELD_OUT, OTHERS = "attended", "invited", "held out", ""
MQL_BY_PROGRAM = {ATTENDED: 173, INVITED: 187, HELD_OUT: 68, OTHERS: 162}
STAYED_BY_PROGRAM = {ATTENDED: 67, INVITED: 373, HELD_OUT: 132, OTHERS: 314}
# Days within which the webinars are to lead to MQL: whoever was assigned to them was so at least as long ago.
HORIZON = 60
ROOM = 5  # days between engaging and MQL in which a webinar fits
GUIDED_MQL, GUIDED_STAYED = 39, 57  # utilities that got the compliance guide
PROSPECTS, PROSPECTS_UNKNOWN = 308, 40
SCANNED_FIRMS, SCANNED, SCANNED_HARD, CLICKS = 4, 82, 31, 3_900
DUPLICATES, TESTERS = 60, 25
RETURNED = 61
# Days until sales took up again whom it had put off; the median of the 22 is 74.
LATELY = (30, 25, 20, 16, 13, 10)  # days ago on which the last were won, so that somebody is being onboarded today
AWAY = (61, 63, 65, 66, 67, 69, 70, 71, 72, 73, 74, 74, 75, 76, 77, 79, 80, 82, 85, 88, 92, 98)
GONE_APAC = 14.3 * MONTH  # day on which two of three salespeople of APAC had left
LATE_MONTH = 17

RAISED = (
    "Demo requested",
    "Demo requested",
    "Demo requested",
    "Quote requested",
    "Trial requested",
    "Meeting requested",
)
CURIOUS = ("Content downloaded", "Content downloaded", "Calculator used", "Email replied", "Pricing viewed")
CONTENT = (
    "Field guide: turbidity", "Case study: brewery line 4", "Checklist: effluent permits",
    "White paper: dissolved oxygen",
    "Template: sampling plan", "Case study: salmon smolt farm",
)  # fmt: skip


@dataclass(eq=False)
class Lead:
    """One new person at a firm, and all that is decided about it before it has a name. Times in minutes."""

    region: str
    outcome: str  # known, engaged, waiting, expired, rejected, sal, dropped, late, deferred, back, sql
    answered: str = ""
    result: str = ""  # won, lost, open
    first_year: bool = False
    deferred: bool = False
    source: str = ""
    industry: str = ""
    program: str = ""
    guided: bool = False
    away: int = 0  # days until sales took it up again
    reason: str = ""
    late_answer: bool = False
    returned: bool = False
    scanned: bool = False
    before: bool = False  # the deal is dated before the first contact
    invited: int = 0
    attended: int = 0
    seen: int = 0
    engaged: int = 0
    mql: int = 0
    answer: int = 0
    deferral: int = 0
    resumed: int = 0
    sql: int = 0
    closed: int = 0
    left: int = 0  # back in Recycled
    person: Contact | None = None

    @property
    def is_mql(self) -> bool:
        return self.outcome not in ("known", "engaged")

    @property
    def accepted(self) -> bool:
        return self.outcome in ("sal", "dropped", "late", "deferred", "back", "sql")


def build(company: Company) -> list[Lead]:
    """Draw them all, with their firms, activities and deals."""
    draw = company.draw("net new")
    leads = [*_fates(draw), *_stayed(draw), *_known(draw)]
    for lead in leads:
        _time(company, draw, lead)
    _send_late(company, draw, leads)
    _win_before(draw, leads)
    _win_lately(leads)
    _hold_trial(company.draw("webinars"), leads)
    _house(company, draw, leads)
    for lead in sorted(leads, key=lambda each: each.seen):
        _name(company, draw, lead)
    _repeat(company, draw, leads)
    for lead in leads:
        _tell(company, draw, lead)
    company.members = [_member(lead) for lead in leads if lead.program]
    _scan(company, draw, [lead for lead in leads if lead.scanned])
    _try_out(company, draw)
    return leads


# ---- fates ----


def _fates(draw: random.Random) -> list[Lead]:
    """The 590 that reach MQL."""
    fates = []
    for (region, answered), (accepted, sql) in ANSWERED.items():
        fates += [Lead(region, "sql", answered) for _ in range(sql)]
        fates += [Lead(region, "sal", answered) for _ in range(accepted - sql)]
    for outcome, counts in (("rejected", REJECTED), ("expired", EXPIRED), ("waiting", WAITING)):
        fates += [Lead(region, outcome) for region in REGIONS for _ in range(counts[region])]
    for region in REGIONS:
        rejected = [fate for fate in fates if fate.region == region and fate.outcome == "rejected"]
        for fate in draw.sample(rejected, REJECTED_LATE[region]):
            fate.late_answer = True
    rejected = [fate for fate in fates if fate.outcome == "rejected"]
    for reason, lot in zip(REASONS, parted(draw, rejected, [*REASONS.values()]), strict=True):
        for fate in lot:
            fate.reason = reason
    _part_years(draw, fates)
    _part_sales(draw, fates)
    _deal_attributes(draw, fates)
    recycled = [fate for fate in fates if fate.outcome in ("rejected", "expired")]
    for fate in draw.sample(recycled, RETURNED):
        fate.returned = True
    return fates


def _early_apac(fate: Lead) -> bool:
    """Of APAC before its salespeople left: whoever was answered in time, and a few that were not."""
    return fate.region == "APAC" and (
        fate.answered == FAST or (fate.outcome == "rejected" and not fate.late_answer) or fate.result == "early"
    )


def _part_years(draw: random.Random, fates: list[Lead]) -> None:
    """Say who became MQL in the first twelve months."""
    for fate in draw.sample([f for f in fates if f.region == "APAC" and f.outcome == "expired"], 6):
        fate.result = "early"
    apac = [fate for fate in fates if _early_apac(fate)]
    first = draw.sample([f for f in apac if f.outcome == "sql"], 9)
    first += draw.sample([f for f in apac if f.outcome != "sql"], 18)
    rest = [fate for fate in fates if fate.region != "APAC" and fate.outcome != "waiting"]
    first += draw.sample([f for f in rest if f.outcome == "sql"], FIRST_YEAR_SQL - 9)
    first += draw.sample([f for f in rest if f.outcome != "sql"], FIRST_YEAR - FIRST_YEAR_SQL - 18)
    for fate in first:
        fate.first_year = True


def _part_sales(draw: random.Random, fates: list[Lead]) -> None:
    """Won, lost, open; and whom sales put off, with what came of that."""
    first = [fate for fate in fates if fate.outcome == "sql" and fate.first_year]
    since = [fate for fate in fates if fate.outcome == "sql" and not fate.first_year]
    # Eight of the wins wait for a note below: 46 close in the first year, 46 in the second.
    won, slow, lost = parted(draw, first, [46, 4, 36])
    won_since, lost_since, still_open = parted(draw, since, [42, 68, 34])
    for lot, result in ((won, "won early"), (slow, "won"), (lost, "lost"), (won_since, "won"), (lost_since, "lost")):
        for fate in lot:
            fate.result = result
    for fate in still_open:
        fate.result = "open"
    for fate in [*slow, *draw.sample(won_since, 5), *draw.sample(lost, 5), *draw.sample(still_open, 3)]:
        fate.deferred = True
    sal = [fate for fate in fates if fate.outcome == "sal"]
    for fate in draw.sample([f for f in sal if f.first_year and f.region != "APAC"], 9):
        fate.outcome = "deferred"
    since = [fate for fate in sal if not fate.first_year and not _early_apac(fate)]
    quick = [fate for fate in since if fate.region != "APAC" and fate.answered == FAST]
    slow = [fate for fate in since if fate.region != "APAC" and fate.answered != FAST]
    few = draw.sample(quick, min(14, len(quick)))  # some seeds have fewer; those who came back need not be quick
    for place, fate in enumerate(draw.sample(slow, 14 - len(few)) + few):
        fate.outcome = "back" if place < 5 else "late"
    here = draw.sample([fate for fate in since if fate.outcome == "sal"], 34)
    waited = [fate for fate in fates if fate.deferred or fate.outcome == "back"]
    for fate, days in zip(waited, draw.sample(AWAY, len(AWAY)), strict=True):
        fate.away = days
    keep = {id(fate) for fate in here}
    for fate in fates:
        if fate.outcome == "sal" and id(fate) not in keep:
            fate.outcome = "dropped"


def _deal_attributes(draw: random.Random, fates: list[Lead]) -> None:
    won = [fate for fate in fates if fate.result.startswith("won")]
    rest = [fate for fate in fates if not fate.result.startswith("won")]
    _deal(draw, won, "source", {name: of[3] for name, of in CHANNELS.items()})
    _deal(draw, rest, "source", {name: of[2] - of[3] for name, of in CHANNELS.items()})
    _deal(draw, won, "industry", WON_BY_INDUSTRY)
    _deal(draw, rest, "industry", {name: MQL_BY_INDUSTRY[name] - WON_BY_INDUSTRY[name] for name in INDUSTRIES})
    _deal(draw, fates, "program", MQL_BY_PROGRAM)
    for fate in draw.sample([fate for fate in fates if fate.industry == "Utilities"], GUIDED_MQL):
        fate.guided = True


def _stayed(draw: random.Random) -> list[Lead]:
    """Those who engaged and went no further."""
    mql = {region: sum(of[0] for key, of in ANSWERED.items() if key[0] == region) for region in REGIONS}
    for counts in (REJECTED, EXPIRED, WAITING):
        mql = {region: mql[region] + counts[region] for region in REGIONS}
    leads = [Lead(region, "engaged") for region in REGIONS for _ in range(ENGAGED_BY_REGION[region] - mql[region])]
    _deal(draw, leads, "source", {name: of[1] - of[2] for name, of in CHANNELS.items()})
    _deal(draw, leads, "industry", {name: ENGAGED_BY_INDUSTRY[name] - MQL_BY_INDUSTRY[name] for name in INDUSTRIES})
    _deal(draw, leads, "program", STAYED_BY_PROGRAM)
    for lead in draw.sample([lead for lead in leads if lead.industry == "Utilities"], GUIDED_STAYED):
        lead.guided = True
    return leads


def _known(draw: random.Random) -> list[Lead]:
    """Names, and no more."""
    leads = [Lead(region, "known") for region in REGIONS for _ in range(KNOWN_BY_REGION[region])]
    _deal(draw, leads, "source", {name: of[0] - of[1] for name, of in CHANNELS.items()})
    _deal(draw, leads, "industry", KNOWN_BY_INDUSTRY)
    for lead in draw.sample([lead for lead in leads if lead.industry == "" and lead.region == "NA"], SCANNED):
        lead.scanned = True
    return leads


def _deal(draw: random.Random, leads: list[Lead], what: str, shares: dict[str, int]) -> None:
    for value, lot in zip(shares, parted(draw, leads, [*shares.values()]), strict=True):
        for lead in lot:
            setattr(lead, what, value)


# ---- times ----


def _time(company: Company, draw: random.Random, lead: Lead) -> None:
    if lead.is_mql:
        first, last = _span(lead)
        lead.mql = _raise_hand(company, draw, lead, company.calendar.pick(draw, first, last))
        _answer(company, draw, lead)
        gap = draw.choice((1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 35, 50)) if lead.mql > 60 * DAY else 1
        if lead.program == ATTENDED:
            gap += 4
        day = max(lead.mql // DAY - gap, 0 if lead.mql // DAY < 2 else 1)
        lead.engaged = min(day * DAY + hour(draw), lead.mql - 2 * HOUR)
    elif lead.outcome == "engaged":
        lead.engaged = company.calendar.pick(draw, 1, DAYS - 3) * DAY + hour(draw)
    before = draw.choice((0, 0, 0, 1, 2, 4, 7, 12, 20, 33))
    if lead.engaged:
        lead.seen = max(lead.engaged - before * DAY - draw.randrange(5, 50), 5)
        if lead.source == "Event" and (fair := company.calendar.fair(lead.engaged // DAY)) is not None:
            lead.seen = min(fair * DAY + hour(draw, 9, 17) + draw.randrange(3) * DAY, lead.engaged - 5)
    else:
        day = company.calendar.pick(draw, 0, DAYS - 1)
        if lead.source == "Event" and (fair := company.calendar.fair(day)) is not None:
            day = fair + draw.randrange(3)
        if lead.source == "Bought list":
            day = 212
        if lead.scanned:
            day = min(day, DAYS - 60)
        lead.seen = min(day, DAYS - 1) * DAY + hour(draw)


def _span(lead: Lead) -> tuple[float, float]:
    """Between which days the lead may become MQL, for all that is to follow to be over in time."""
    year = DAYS / 2
    if lead.outcome == "waiting":
        return DAYS - 2, DAYS - 1
    if lead.region == "APAC" and not lead.first_year and not _early_apac(lead):
        first: float = 15 * MONTH
    else:
        first = 3 if lead.first_year else year + 1
    last = year - 12 if lead.first_year else DAYS - 16
    if lead.region == "APAC" and not lead.first_year and _early_apac(lead):
        last = GONE_APAC - 14
    if lead.result == "won early":
        return first + 10, 255
    if lead.deferred and lead.result == "won":
        return (210, year - 20) if lead.first_year else (first, 500)
    if lead.deferred and lead.result == "open":
        return max(first, 500), 560
    if lead.deferred and lead.result == "lost":
        return 10, 300
    if lead.result == "won" and lead.first_year:
        return 280, year - 12
    if lead.result == "won":
        return first, 640
    if lead.result == "lost":
        return first, min(last, 650)
    if lead.result == "open":
        return max(first, 620), DAYS - 26
    if lead.outcome == "sal":
        return 665, last
    if lead.outcome == "back":
        return 440, 560
    if lead.outcome == "deferred":
        return 10, last
    if lead.outcome == "dropped":
        return first, min(last, DAYS - 45)
    if lead.returned:
        return first, min(last, DAYS - 80)
    return first, last


def _raise_hand(company: Company, draw: random.Random, lead: Lead, day: int) -> int:
    """When the decisive act is: on a working day, early enough for the answer that is planned."""
    calendar = company.calendar
    if lead.outcome == "waiting":
        return min(day, DAYS - 1) * DAY + hour(draw, 9, 18)
    day = calendar.workday(day)
    if lead.answered == DAYS_LATER or lead.outcome == "rejected":
        return day * DAY + hour(draw, 9, 12)
    return day * DAY + hour(draw, 8, 17)


def _answer(company: Company, draw: random.Random, lead: Lead) -> None:
    """When sales answered, and what followed."""
    if lead.accepted or lead.outcome == "rejected":
        lead.answer = lead.mql + _wait(company, draw, lead)
    if lead.outcome == "rejected" or lead.outcome == "expired":
        recycled = lead.answer or lead.mql + 10 * DAY
        if lead.returned:
            latest = min(120, (DAYS - 2) - recycled // DAY)
            lead.left = (recycled // DAY + draw.randrange(38, max(latest, 39))) * DAY + hour(draw)
        return
    if not lead.accepted:
        return
    start = lead.answer
    if lead.deferred or lead.outcome in ("deferred", "back"):
        lead.deferral = (start // DAY + draw.randrange(5, 21)) * DAY + hour(draw, 9, 17)
        if lead.outcome != "deferred":
            lead.resumed = (lead.deferral // DAY + lead.away) * DAY + hour(draw, 9, 17)
            start = lead.resumed
    if lead.outcome == "dropped":
        lead.left = (start // DAY + draw.randrange(4, 30)) * DAY + hour(draw, 9, 17)
    if lead.outcome == "sql":
        room = DAYS - 2 - start // DAY
        lead.sql = (start // DAY + min(draw.choice((1, 2, 3, 4, 5, 7, 9, 12, 16, 21)), max(room, 1))) * DAY + hour(
            draw, 9, 17
        )
        if lead.result != "open":
            last = DAYS // 2 - 4 if lead.result == "won early" else DAYS - 6
            first = DAYS // 2 + 1 if lead.result == "won" else 0
            day = lead.sql // DAY + max(6, int(draw.lognormvariate(3.75, 0.5)))
            lead.closed = min(max(day, first), last) * DAY + hour(draw, 9, 17)
            lead.closed = max(lead.closed, lead.sql + DAY)


def _wait(company: Company, draw: random.Random, lead: Lead) -> int:
    """Minutes until sales answered."""
    weekday = company.calendar.weekday(lead.mql)
    if lead.late_answer or lead.answered == LATE:
        late = draw.choice((6.1, 6.3, 6.5, 6.6, 7.2, 8.1)) if lead.region == "APAC" else draw.uniform(5.1, 9.2)
        return int((late if lead.outcome != "rejected" else min(late, 8.5)) * DAY)
    in_time = lead.region != "APAC" and (lead.answered == DAYS_LATER and draw.random() < 0.95)
    if lead.answered == FAST or (lead.outcome == "rejected" and draw.random() < 0.6):
        room = 18 * HOUR + HOUR // 2 - lead.mql % DAY
        if weekday < 4 and draw.random() < 0.35:
            return (
                DAY - draw.randrange(4 * HOUR, 12 * HOUR // 2 + 4 * HOUR)
                if lead.mql % DAY > 13 * HOUR
                else min(room, 6 * HOUR)
            )
        return min(draw.randrange(25, 5 * HOUR), max(room, 20))
    if in_time or lead.outcome == "rejected":
        return (3 if weekday == 4 else 1) * DAY + draw.randrange(20, 5 * HOUR)
    return 4 * DAY + draw.randrange(HOUR, 20 * HOUR)


def _send_late(company: Company, draw: random.Random, leads: list[Lead]) -> None:
    """Nine that sales accepted late in one month, which the CRM told three weeks after: the move changes month."""
    calendar = company.calendar
    year, month = calendar.month_of(int((LATE_MONTH - 0.5) * MONTH) * DAY)
    days = [
        day for day, of in enumerate(calendar.dates) if (of.year, of.month) == (year, month) and of.day in range(14, 28)
    ]
    for lead in leads:
        if lead.outcome != "late":
            continue
        day = calendar.workday(draw.choice(days))
        before = lead.mql - lead.engaged, lead.engaged - lead.seen
        lead.answer = day * DAY + hour(draw, 13, 17)
        lead.mql = lead.answer - draw.randrange(40, 4 * HOUR)
        lead.engaged = lead.mql - before[0]
        lead.seen = lead.engaged - before[1]
        lead.left = (day + 45) * DAY + hour(draw, 9, 16)


def _win_before(draw: random.Random, leads: list[Lead]) -> None:
    """One deal is dated before its person was first seen: a fault of the kind that real files have."""
    late = [f for f in leads if f.result == "won" and not f.deferred and f.seen > (DAYS / 2 + 20) * DAY]
    lead = draw.choice(late)
    lead.before = True
    lead.closed = (lead.seen // DAY - 4) * DAY + 10 * HOUR


def _win_lately(leads: list[Lead]) -> None:
    """The six whose deals were opened last take until the last weeks."""
    late = sorted((f for f in leads if f.result == "won" and not f.deferred and not f.before), key=lambda f: f.sql)
    for lead, days in zip(late[-len(LATELY) :], LATELY, strict=True):
        lead.closed = (DAYS - days) * DAY + lead.closed % DAY


def _hold_trial(draw: random.Random, leads: list[Lead]) -> None:
    """The webinars' trial was over in time: whoever engaged too late for it changes places with somebody earlier."""
    engaged = [lead for lead in leads if lead.engaged]
    for late in [lead for lead in engaged if lead.program and not _finished(lead)]:
        fits = [
            lead
            for lead in engaged
            if lead.program == OTHERS and lead.is_mql == late.is_mql and _finished(lead)
            and (late.program != ATTENDED or not lead.is_mql or lead.mql - lead.engaged >= ROOM * DAY)
        ]  # fmt: skip
        other = draw.choice(fits)
        late.program, other.program = other.program, late.program


def _finished(lead: Lead) -> bool:
    return lead.engaged // DAY < DAYS - HORIZON


# ---- firms and names ----


def _house(company: Company, draw: random.Random, leads: list[Lead]) -> None:
    """Give every lead a firm of its industry and region; each win has one of its own."""
    firms: dict[tuple[str, str], list[Firm]] = {}
    homes: dict[int, Firm] = {}
    for lead in leads:
        if lead.result.startswith("won"):
            homes[id(lead)] = firm = company.firm(draw, "customer", lead.industry, lead.region)
            firms.setdefault((lead.industry, lead.region), []).append(firm)
    for firm in [company.firm(draw, "prospect", "", "NA") for _ in range(SCANNED_FIRMS)]:
        firms.setdefault(("scanned", "NA"), []).append(firm)
    cells: dict[tuple[str, str], int] = {}
    for lead in leads:
        if not lead.scanned:
            cells[lead.industry, lead.region] = cells.get((lead.industry, lead.region), 0) + 1
    for known in (True, False):
        some = {cell: count for cell, count in cells.items() if bool(cell[0]) == known}
        wanted = PROSPECTS - PROSPECTS_UNKNOWN if known else PROSPECTS_UNKNOWN - SCANNED_FIRMS
        order = sorted(some)
        shares = [some[cell] for cell in order]
        counts = [max(1, wanted * share // sum(shares)) for share in shares]
        counts[shares.index(max(shares))] += wanted - sum(counts)
        for cell, count in zip(order, counts, strict=True):
            firms.setdefault(cell, []).extend(company.firm(draw, "prospect", *cell) for _ in range(count))
    turns: dict[tuple[str, str], int] = {}
    for lead in leads:
        cell = ("scanned", "NA") if lead.scanned else (lead.industry, lead.region)
        if id(lead) in homes:
            firm = homes[id(lead)]
        elif turns.setdefault(cell, 0) < len(firms[cell]):  # nobody is left without people
            firm = firms[cell][turns[cell]]
            turns[cell] += 1
        else:
            firm = draw.choice(firms[cell])
        lead.person = Contact("", "", "", "", "", "prospect", lead.source, "", "", "", firm, lead.seen)


def _name(company: Company, draw: random.Random, lead: Lead) -> None:
    assert lead.person and lead.person.firm
    made = company.contact(draw, "prospect", lead.source, seen=lead.seen, firm=lead.person.firm)
    made.program = {ATTENDED: "invited", INVITED: "invited", HELD_OUT: "held out"}.get(lead.program, "")
    made.firm.seen = min(made.firm.seen or lead.seen, lead.seen)  # type: ignore[union-attr]
    lead.person = made


def _repeat(company: Company, draw: random.Random, leads: list[Lead]) -> None:
    """Sixty names are somebody who is there already under another address."""
    known = [lead.person for lead in leads if lead.outcome == "known" and not lead.scanned and lead.person]
    by_firm: dict[str, list[Contact]] = {}
    for person in known:
        by_firm.setdefault(person.firm.key if person.firm else "", []).append(person)
    pairs = [people[:2] for key, people in sorted(by_firm.items()) if len(people) > 1]
    for first, second in draw.sample(pairs, DUPLICATES):
        domain = second.email.partition("@")[2]
        second.first, second.last = first.first, first.last
        second.email = f"{first.email[0]}{second.key.lower()[1:]}.{names_of(first)}@{domain}"


def names_of(person: Contact) -> str:
    """The family name as it stands in an address."""
    return person.email.partition("@")[0].partition(".")[2]


def _member(lead: Lead) -> Member:
    """Whoever engaged was assigned there and then: to be invited to the webinars, or to be held out."""
    assert lead.person
    if lead.program == HELD_OUT:
        return Member(lead.person.key, lead.engaged, "holdout")
    status = "Attended" if lead.attended else "Invited"
    return Member(lead.person.key, lead.engaged, "treatment", status, lead.invited, lead.attended)


# ---- what they did ----

Tell = Callable[..., None]


def _tell(company: Company, draw: random.Random, lead: Lead) -> None:
    """Write the planned history of one lead."""
    person = lead.person
    assert person
    _first_touch(company, draw, lead, person)
    if lead.outcome == "known":
        return
    _engage(company, draw, lead, person)
    if lead.is_mql:
        _qualify(company, draw, lead, person)
    if lead.accepted:
        _accept(company, draw, lead, person)


def _first_touch(company: Company, draw: random.Random, lead: Lead, person: Contact) -> None:
    device = draw.choice(("desktop", "laptop", "mobile", "tablet"))
    campaign = {
        "Paid search": "Search: inline sensors",
        "Paid social": "Social: cleaner water",
        "Bought list": "List 2",
    }
    kind, channel, platform, direction = {
        "Organic search": ("Page visited", "organic search", device, "inbound"),
        "Paid search": ("Ad clicked", "paid search", device, "inbound"),
        "Paid social": ("Ad clicked", "paid social", "mobile", "inbound"),
        "Event": ("Badge scanned", "event", "kiosk", "inbound"),
        "Partner": ("Partner introduced", "partner", "", "inbound"),
        "Customer referral": ("Referral received", "referral", "", "inbound"),
        "Webinar": ("Webinar registered", "webinar", device, "inbound"),
        "Bought list": ("Name bought", "list", "", ""),
    }[lead.source]
    company.act(
        lead.seen, person, kind, channel=channel, platform=platform, direction=direction,
        campaign=campaign.get(lead.source, ""),
    )  # fmt: skip


def _engage(company: Company, draw: random.Random, lead: Lead, person: Contact) -> None:
    """The first deliberate act, further ones that do not suffice, invitations and offers."""
    if lead.guided:
        company.act(
            lead.engaged - 2, person, "Email sent", channel="email", direction="outbound", campaign="Compliance guide",
            content="Guide: discharge permits",
        )  # fmt: skip
        _curious(company, draw, lead.engaged, person, "Guide downloaded", "Guide: discharge permits")
    else:
        _curious(company, draw, lead.engaged, person, draw.choice(CURIOUS))
    until = lead.mql or min(lead.engaged + 150 * DAY, DAYS * DAY - DAY)
    if lead.industry == "Utilities" and not lead.guided:
        offered = awake(draw, lead.engaged + draw.randrange(HOUR, 3 * DAY), lead.engaged, min(until, DAYS * DAY) - 5)
        company.act(
            offered, person, "Email sent", channel="email", direction="outbound", campaign="Demo offer",
            content="Offer: demo on your site",
        )  # fmt: skip
    if lead.program in (ATTENDED, INVITED):
        lead.invited = awake(draw, lead.engaged + draw.randrange(HOUR, DAY), lead.engaged, min(until, DAYS * DAY) - 4)
        company.act(
            lead.invited, person, "Email sent", channel="email", direction="outbound", campaign="Explore webinars",
            content="Invitation: water-safe webinar",
        )  # fmt: skip
        if lead.program == ATTENDED:
            latest = min(until, DAYS * DAY) - 2
            lead.attended = awake(draw, lead.invited + draw.randrange(HOUR, 3 * DAY), lead.invited, latest)
            _curious(company, draw, lead.attended, person, "Webinar attended", "Water-safe webinar")
    if not lead.mql:
        at = lead.engaged
        for _ in range(draw.choice((0, 0, 1, 1, 2))):
            at += draw.randrange(25, 70) * DAY
            if at < DAYS * DAY - DAY:
                _curious(company, draw, at // DAY * DAY + hour(draw), person, draw.choice(CURIOUS))


def _curious(company: Company, draw: random.Random, at: int, person: Contact, kind: str, content: str = "") -> None:
    channel = {"Webinar attended": "webinar", "Email replied": "email"}.get(kind, "website")
    company.act(
        at, person, kind, channel=channel, platform=draw.choice(("desktop", "laptop", "laptop", "mobile")),
        direction="inbound", content=content or (draw.choice(CONTENT) if kind == "Content downloaded" else ""),
    )  # fmt: skip


def _qualify(company: Company, draw: random.Random, lead: Lead, person: Contact) -> None:
    """Interest that mounts, and the decisive act."""
    first = max(lead.engaged + 5, lead.mql - 6 * DAY)
    for kind in ("Pricing viewed", draw.choice(CURIOUS)):
        at = draw.randrange(first, max(lead.mql - 5, first + 1))
        _curious(company, draw, awake(draw, at, first, max(lead.mql - 5, first)), person, kind)
    company.act(
        lead.mql, person, draw.choice(RAISED), channel="website", platform="desktop", direction="inbound",
        content="Form: talk to us",
    )  # fmt: skip
    if lead.outcome == "rejected":
        _call(company, draw, lead.answer - 12, person)
        company.act(lead.answer, person, "Hand-off rejected", channel="sales", reason=lead.reason)
        company.steps.append(Step(person.key, "recycled", lead.answer, lead.reason, lead.answer + 2))
    if lead.returned:
        _curious(company, draw, lead.left, person, "Content downloaded")
        if lead.outcome == "rejected":
            company.steps.append(Step(person.key, "engaged", lead.left, "Came back to us", lead.left + 2))


def _accept(company: Company, draw: random.Random, lead: Lead, person: Contact) -> None:
    if lead.outcome == "late":
        told = lead.answer + 20 * DAY
        _call(company, draw, lead.answer - 12, person, recorded=told - 12)
        company.steps.append(Step(person.key, "sal", lead.answer, "Accepted on the phone", told))
        reason = draw.choice(("No project this year", "Chose to build it themselves"))
        company.steps.append(Step(person.key, "disqualified", lead.left, reason, lead.left + HOUR))
        return
    _call(company, draw, lead.answer - 12, person)
    company.act(lead.answer, person, "Hand-off accepted", channel="sales")
    if lead.deferral:
        company.act(lead.deferral, person, "Put off", channel="sales", reason="Not now")
    if lead.resumed:
        _call(company, draw, lead.resumed - 15, person)
        company.act(lead.resumed, person, "Hand-off accepted", channel="sales")
    if lead.outcome == "dropped":
        reason = draw.choice(("No project this year", "No budget", "Competitor", "Too small"))
        company.act(lead.left, person, "Disqualified", channel="sales", reason=reason)
    if lead.outcome == "sql":
        _sell(company, draw, lead, person)


def _call(company: Company, draw: random.Random, at: int, person: Contact, recorded: int | None = None) -> None:
    company.act(at, person, "Sales call", channel="phone", direction="outbound", platform="phone", recorded=recorded)


def _sell(company: Company, draw: random.Random, lead: Lead, person: Contact) -> None:
    """The deal, and what was done for it."""
    status = lead.result.split()[0]
    meeting = min(lead.sql + 2 * DAY, (lead.closed or DAYS * DAY) - HOUR)
    if not lead.before:
        company.act(max(meeting, lead.sql + 5), person, "Meeting held", channel="meeting", direction="outbound")
    reason = "" if status != "lost" else draw.choice(("Price", "Competitor", "No decision", "Project stopped"))
    stage = {"won": "Closed won", "lost": "Closed lost", "open": draw.choice(("Demo", "Proposal", "Negotiation"))}[
        status
    ]
    company.sales.append(
        Sale(
            key=f"D{len(company.sales) + 1:04}",
            name=f"{person.firm.name if person.firm else ''} – sensors and Monitor",
            person=person,
            firm=person.firm,
            status=status,
            stage=stage,
            opened=None if lead.before else lead.sql,
            closed=lead.closed or None,
            amount=draw.randrange(60, 240) * 10_000,
            reason=reason,
            owner=person.owner,
        )
    )


# ---- faults ----


def _scan(company: Company, draw: random.Random, leads: list[Lead]) -> None:
    """Mail filters of four firms that click on every link, some of them hard enough to look like a buyer."""
    hard = draw.sample(leads, SCANNED_HARD)
    chosen = {id(lead) for lead in hard}
    light = [lead for lead in leads if id(lead) not in chosen]
    each = CLICKS * 2 // 3 // SCANNED_HARD
    left = CLICKS - each * SCANNED_HARD
    for lead in hard:
        assert lead.person
        day = lead.person.seen // DAY + draw.randrange(5, 40)
        for number in range(each):
            at = min(day + number // 30, DAYS - 1) * DAY + 9 * HOUR + number % 30
            _click(company, at, lead.person)
    for place, lead in enumerate(light):
        assert lead.person
        for number in range(left // len(light) + (place < left % len(light))):
            day = lead.person.seen // DAY + 3 + number * 4
            at = (day if day < DAYS else DAYS - 1 - number) * DAY + 10 * HOUR + number
            _click(company, max(at, lead.person.seen + 5 + number), lead.person)


def _click(company: Company, at: int, person: Contact) -> None:
    company.act(
        at, person, "Email clicked", channel="email", platform="server", direction="inbound", actor="bot",
        campaign="Newsletter",
    )  # fmt: skip


def _try_out(company: Company, draw: random.Random) -> None:
    """People of the company itself, who tried its forms."""
    for number in range(TESTERS):
        seen = company.calendar.pick(draw, 5, DAYS - 30) * DAY + hour(draw)
        person = company.contact(
            draw, "prospect", "Organic search", seen=seen, region="EMEA", domain="marlowcreek.example",
            titles=("Test",) if number % 3 else names.STAFF,
        )  # fmt: skip
        for at in (seen, seen + DAY):
            _curious(company, draw, at, person, draw.choice(CURIOUS))
        company.act(seen + 2 * DAY, person, "Demo requested", channel="website", direction="inbound")
