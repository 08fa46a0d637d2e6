"""The forty partners: recruited, applied, approved, certified, and the deals that they registered or helped to win.

Nothing happens any more at the nine who are stuck, neither from us nor from them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from demo import names
from demo.company import DAY, DAYS, HOUR, Company, Firm, Sale, hour

RECRUIT, APPLIED, ONBOARDING, ENABLED, GROWING, MATURE = 8, 4, 7, 8, 9, 4
PEOPLE = 5
SOURCED, INFLUENCED, CONFLICTS = 29, 14, 3
SOURCED_BY = (8, 6, 5, 4, 1, 1, 1, 1, 1, 1)  # wins by partner; the first three have two thirds
FAST, FAST_WITH_DEAL, OTHERS_WITH_DEAL = 9, 8, 5
STALLED_ONBOARDING, STALLED_ENABLED = 4, 5
SILENT = 50  # days without a sign of life at those who are stuck
FIRST_DEAL = (38, 52, 61, 74, 74, 74, 79, 90, 105, 58, 83, 97, 120)  # days from approval, by partner


@dataclass(eq=False)
class Partner:
    """One partner with what is planned for it."""

    firm: Firm
    stage: str
    fast: bool = False
    approved: int = DAYS
    sales: list[Sale] = field(default_factory=list)


def build(company: Company) -> list[Partner]:
    """All partners with their people and what happened."""
    draw = company.draw("partners")
    stages = {
        "recruit": RECRUIT, "applied": APPLIED, "onboarding": ONBOARDING, "enabled": ENABLED, "growing": GROWING,
        "mature": MATURE,
    }  # fmt: skip
    partners = []
    for place, stage in enumerate(stage for stage, count in stages.items() for _ in range(count)):
        region = ("EMEA", "NA", "EMEA", "APAC", "EMEA", "NA")[place % 6]
        partners.append(Partner(company.firm(draw, "partner", "Distribution", region), stage))
    selling = [each for each in partners if each.stage in ("mature", "growing")]
    selling.sort(key=lambda each: each.stage != "mature")
    _credit(company, draw, selling)
    for each in draw.sample(selling, FAST_WITH_DEAL):
        each.fast = True
    next(each for each in partners if each.stage == "enabled").fast = True
    gaps = iter(FIRST_DEAL)
    rivals = [each for each in selling if each.stage == "mature"]
    stalled = {"onboarding": STALLED_ONBOARDING, "enabled": STALLED_ENABLED}
    for each in [*(p for p in selling if p.fast), *(p for p in selling if not p.fast)]:
        first = min(sale.opened or 0 for sale in each.sales) // DAY
        _live(company, draw, each, approved=first - 3 - next(gaps))
    for each in partners:
        if each.stage in stalled:
            quiet = stalled[each.stage] > 0
            stalled[each.stage] -= 1
            each.firm.silent = DAYS - SILENT if quiet else DAYS
            back = draw.randrange(38, 44)
            if each.stage == "enabled" and quiet:
                back = draw.randrange(190, 260)
            if each.stage == "onboarding":
                back = draw.randrange(60, 150) if quiet else draw.randrange(6, 25)
            _live(company, draw, each, approved=DAYS - back)
        elif each not in selling:
            _live(company, draw, each, approved=DAYS + 5)
    _influence(company, draw, selling)
    _conflict(company, rivals)
    return partners


def _credit(company: Company, draw: random.Random, selling: list[Partner]) -> None:
    """Which of the 92 wins a partner sourced, and further deals that were registered."""
    won = [sale for sale in company.sales if sale.status == "won" and sale.opened is not None]
    own = [sale for sale in won if sale.person and sale.person.source == "Partner"]
    other = [sale for sale in won if sale.person and sale.person.source not in ("Partner", "Customer referral")]
    extra = draw.sample(other, SOURCED - len(own))
    sourced = [*own, *extra]
    draw.shuffle(sourced)
    for each, count in zip(selling, SOURCED_BY, strict=False):
        each.sales = [sourced.pop() for _ in range(count)]
    unsold = [sale for sale in company.sales if sale.status != "won" and sale.person]
    draw.shuffle(unsold)
    unsold.sort(key=lambda sale: sale.person is not None and sale.person.source == "Partner")  # theirs are taken first
    for each in selling:
        for _ in range(1 if each.stage == "mature" or not each.sales else draw.choice((0, 1))):
            each.sales.append(unsold.pop())
        for sale in each.sales:
            sale.partner = each.firm.key


def _influence(company: Company, draw: random.Random, selling: list[Partner]) -> None:
    """Wins that a partner helped with once there was a deal."""
    helped = 0
    for sale in draw.sample(company.sales, len(company.sales)):
        at = (sale.opened or 0) + DAY + hour(draw)
        there = [each for each in selling if (each.approved + 1) * DAY < at]
        if sale.status == "won" and sale.opened and not sale.partner and there and at < (sale.closed or 0):
            partner = draw.choice(there)
            sale.partner = partner.firm.key
            company.act(at, partner.firm, "Deal supported", channel="partner", direction="inbound", deal=sale.key)
            helped += 1
        if helped == INFLUENCED:
            return


def _conflict(company: Company, rivals: list[Partner]) -> None:
    """Three deals that another partner registers, too; one that brings deals already, so that it has no new first."""
    for place in range(CONFLICTS):
        first, second = rivals[place], rivals[place - 1]
        since = max(min(sale.opened or 0 for sale in each.sales) for each in (first, second))
        sale = max(first.sales, key=lambda sale: sale.opened or 0)
        at = max(sale.opened or 0, since) + 2 * HOUR
        company.act(at, second.firm, "Deal registered", channel="partner", direction="inbound", deal=sale.key)


def _live(company: Company, draw: random.Random, each: Partner, *, approved: int) -> None:
    """Milestones of one partner; `approved` is the day of its approval."""
    firm, each.approved = each.firm, approved
    applied = approved - draw.randrange(6, 16)
    if each.stage == "applied":
        applied = DAYS - draw.randrange(3, 9)
    recruited = applied - draw.randrange(10, 40) if each.stage != "recruit" else DAYS - draw.randrange(8, 30)
    firm.seen = recruited * DAY + hour(draw)
    for _ in range(PEOPLE):
        seen = max(firm.seen, 0) + draw.randrange(8) * DAY
        company.contact(draw, "partner", "Partner", seen=min(seen, DAYS * DAY - HOUR), firm=firm, titles=names.STAFF)
    company.act(firm.seen, firm, "Partner contacted", channel="phone", direction="outbound")
    if each.stage == "recruit":
        return
    company.act(applied * DAY + hour(draw), firm, "Partner application", channel="website", direction="inbound")
    if each.stage == "applied":
        return
    company.act(approved * DAY + hour(draw, 9, 12), firm, "Application approved", channel="email", direction="outbound")
    joint = approved + (draw.randrange(12, 40) if each.fast else draw.randrange(50, 90))
    if each.stage != "onboarding":
        certified = approved + (draw.randrange(10, 28) if each.fast else draw.randrange(31, 37))
        company.act(certified * DAY + hour(draw), firm, "Partner certified", channel="training", direction="inbound")
        if joint < DAYS:
            company.act(joint * DAY + hour(draw), firm, "Joint call", channel="phone", direction="outbound")
    for number, sale in enumerate(sorted(each.sales, key=lambda sale: sale.opened or 0)):
        at = max((sale.opened or 0) - 3 * DAY + number, (approved + 1) * DAY)
        company.act(at, firm, "Deal registered", channel="partner", direction="inbound", deal=sale.key)
