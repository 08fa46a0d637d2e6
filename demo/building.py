"""The whole company out of a seed and an end date, part by part.

Totals are those of the files: of the 5,000 two are merged into others and one is erased once all is in, so that lists
show three fewer, while funnels count as before.
Where the company's story does not fit together, its totals are kept: nobody who engaged is at one of the 9 % of firms
without an industry; the 22 whom sales takes up again go from Recycled to SAL, so that no MQL is counted twice;
the nine late moves to SAL are among those that became no SQL; 91 % and 22 % of deadlines met are of those that fell.
"""

from __future__ import annotations

from datetime import date

from demo import customers, growth, net_new, noise, partners, service, shop
from demo.company import USERS, WITH_PASSWORD, Calendar, Company
from demo.net_new import Lead

SEED = 7
SIZE_UNKNOWN = 132  # of 600 firms


def build(seed: int, end: date) -> Company:
    """Everybody and everything; `end` is the first day of which nothing is known. The same twice for the same two."""
    company = Company(seed, Calendar(end))
    leads = net_new.build(company)
    partners.build(company)
    everybody = customers.build(company, leads)
    growth.build(company, everybody)
    service.build(company, everybody)
    shop.build(company)
    noise.build(company, leads)
    _leave_blank(company)
    _give(company, leads)
    return company


def _give(company: Company, leads: list[Lead]) -> None:
    """Of those who wait for sales every other one is the salesperson’s of that region whom visitors sign in as."""
    for user in USERS:
        if user.email in WITH_PASSWORD:
            waiting = [lead.person.firm for lead in leads if lead.outcome == "waiting" and lead.person]
            for firm in [firm for firm in waiting if firm and firm.region == user.region][::2]:
                firm.owner = user.email
                for person in firm.people:
                    person.owner = user.email
                for sale in company.sales:
                    if sale.firm is firm:
                        sale.owner = user.email


def _leave_blank(company: Company) -> None:
    """What nobody knows of firms: the size of 22 %, the industry of 9 % (40 of them prospects, drawn without one)."""
    draw = company.draw("blanks")
    for firm in draw.sample(company.firms, SIZE_UNKNOWN):
        firm.employees = None
    for relation, count in (("site", 10), ("partner", 4)):
        for firm in draw.sample([firm for firm in company.firms if firm.relation == relation], count):
            firm.industry = ""
