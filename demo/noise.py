"""All the rest of 120,000 activities: mail, advertisements, calls, visits; nothing that decides anything."""

from __future__ import annotations

import bisect
import random

from demo.company import DAY, DAYS, MONTH, Company, Contact, hour
from demo.net_new import LATE_MONTH, Lead

TOTAL, MAIL_SHARE = 120_000, 0.62
INBOUND = 26_000
LATE_CALLS, LATE_BY = 140, 20  # calls of one month, written down so many days later
EFFORT = {"net new": 0.84, "customer": 0.07, "partner": 0.09}
OTHER = {
    "net new": (
        ("Ad shown", "display"),
        ("Ad shown", "display"),
        ("Ad shown", "paid social"),
        ("Message sent", "social"),
    ),
    "customer": (("Success call", "phone"), ("Letter sent", "post"), ("Message sent", "social")),
    "partner": (("Partner call", "phone"), ("Letter sent", "post")),
}
MAILS = {
    "net new": ("Newsletter", "Newsletter", "Water report", "Explore series"),
    "customer": ("Customer letter", "Service bulletin"),
    "partner": ("Partner bulletin",),
}


def build(company: Company, leads: list[Lead]) -> None:
    """Fill up to the total, mail being 62 % of what goes out."""
    draw = company.draw("noise")
    _late_calls(company, draw, leads)
    groups = {species: _Crowd([p for p in company.people if _species(p) == species]) for species in EFFORT}
    out = sum(act.direction == "outbound" for act in company.acts)
    mail = sum(act.direction == "outbound" and act.channel == "email" for act in company.acts)
    more = TOTAL - len(company.acts) - INBOUND
    mails = round((out + more) * MAIL_SHARE) - mail
    for number in range(more):
        species = draw.choices([*EFFORT], [*EFFORT.values()])[0]
        person, day = groups[species].somebody(company, draw)
        if number < mails:
            company.act(
                day * DAY + hour(draw, 8, 12), person, "Email sent", channel="email", direction="outbound",
                campaign=draw.choice(MAILS[species]),
            )  # fmt: skip
        else:
            kind, channel = draw.choice(OTHER[species])
            company.act(day * DAY + hour(draw), person, kind, channel=channel, direction="outbound")
    everybody = _Crowd(company.people)
    for _ in range(INBOUND):
        person, day = everybody.somebody(company, draw)
        at = day * DAY + hour(draw, 7, 22)
        if draw.random() < 0.55:
            actor = "proxy" if draw.random() < 0.2 else "human"
            company.act(
                at, person, "Email opened", channel="email", direction="inbound", actor=actor, campaign="Newsletter"
            )
        else:
            device = draw.choice(("desktop", "laptop", "mobile", "mobile", "tablet"))
            company.act(at, person, "Page visited", channel="website", platform=device, direction="inbound")


class _Crowd:
    """People, to be picked by how long they have been known."""

    def __init__(self, people: list[Contact]) -> None:
        self.people = [person for person in people if person.seen < (DAYS - 2) * DAY]
        self._sums: list[int] = []
        total = 0
        for person in self.people:
            total += DAYS - max(person.seen // DAY, 0)
            self._sums.append(total)

    def somebody(self, company: Company, draw: random.Random) -> tuple[Contact, int]:
        """Somebody, and a day on which the person was known already."""
        person = self.people[bisect.bisect_right(self._sums, draw.randrange(self._sums[-1]))]
        last = (person.firm.silent if person.firm else DAYS) - 1
        return person, company.calendar.pick(draw, max(person.seen // DAY, 0) + 1, last)


def _species(person: Contact) -> str:
    return person.relation if person.relation in EFFORT else "net new"


def _late_calls(company: Company, draw: random.Random, leads: list[Lead]) -> None:
    """The calls of one month that the CRM passed on three weeks late; to people whom sales has accepted before."""
    calendar = company.calendar
    month = calendar.month_of(int((LATE_MONTH - 0.5) * MONTH) * DAY)
    days = [day for day in range(DAYS) if calendar.month_of(day * DAY) == month]
    there = sum(act.kind == "Sales call" and act.recorded is not None for act in company.acts)
    accepted = [lead for lead in leads if lead.accepted and lead.outcome != "late" and lead.answer < days[0] * DAY]
    for _ in range(LATE_CALLS - there):
        lead = draw.choice(accepted)
        at = calendar.workday(draw.choice(days)) * DAY + hour(draw, 9, 17)
        if calendar.month_of(at) != month:
            at = days[len(days) // 2] * DAY + hour(draw, 9, 17)
        assert lead.person
        company.act(
            at, lead.person, "Sales call", channel="phone", direction="outbound", platform="phone",
            recorded=at + LATE_BY * DAY,
        )  # fmt: skip
