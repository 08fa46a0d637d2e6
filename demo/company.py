"""Who exists: the calendar of two years, firms with their sites and partners, the people at them, the shop's visitors.

Everything is drawn from one seed. A moment is the number of minutes since the first local midnight, by the wall clock:
plain arithmetic, and no clock of this machine has a say. `Calendar.written` makes a date and time of it.
"""

from __future__ import annotations

import bisect
import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, TypeVar

from demo import names

DAYS = 730
HOUR, DAY = 60, 24 * 60
MONTH = DAYS / 24  # days
DOMAIN = "marlowcreek.example"
REGIONS = ("EMEA", "NA", "APAC")
INDUSTRIES = ("Food & beverage", "Aquaculture", "Utilities")
FAIRS = (3, 9)  # months in which the trade meets
SEASON = (1.0, 1.05, 1.35, 1.05, 1.0, 0.95, 0.9, 0.6, 1.4, 1.1, 1.0, 0.6)

T = TypeVar("T")


class Calendar:
    """The two years up to the end date, that day not included, and how busy each of their days is."""

    def __init__(self, end: date) -> None:
        self.end = end
        self.start = end - timedelta(days=DAYS)
        self.dates = [self.start + timedelta(days=day) for day in range(DAYS)]
        self._busy = [0.0]
        for day, of in enumerate(self.dates):
            week = 1.0 if of.weekday() < 5 else 0.25
            grown = 1.06 ** (day / (DAYS / 8))
            self._busy.append(self._busy[-1] + SEASON[of.month - 1] * week * grown)

    def pick(self, draw: random.Random, first: float, last: float) -> int:
        """A day of `[first, last]`, the busier the likelier."""
        low, high = max(int(first), 0), min(int(last), DAYS - 1)
        if high <= low:
            return min(low, DAYS - 1)
        wanted = draw.uniform(self._busy[low], self._busy[high + 1])
        return min(max(bisect.bisect_right(self._busy, wanted) - 1, low), high)

    def workday(self, day: int, *, back: bool = True) -> int:
        """The same day, or the next working day before it (after it)."""
        step = -1 if back else 1
        while 0 <= day < DAYS and self.dates[day].weekday() > 4:
            day += step
        return min(max(day, 0), DAYS - 1)

    def weekday(self, at: int) -> int:
        return (self.start + timedelta(days=at // DAY)).weekday()

    def month_of(self, at: int) -> tuple[int, int]:
        of = self.start + timedelta(days=at // DAY)
        return of.year, of.month

    def fair(self, day: int) -> int | None:
        """The first day of the last fair at or before a day, if there was one within 120 days."""
        for back in range(120):
            if day - back >= 0:
                of = self.dates[day - back]
                if of.month in FAIRS and of.day == 12:
                    return day - back
        return None

    def on(self, day: int) -> date:
        return self.start + timedelta(days=day)

    def written(self, at: int) -> str:
        """A moment as files hold it: local time, to the second.

        The hour that clocks skip or repeat is pressed into the first minute of the next one, in its order.
        """
        moment = datetime.combine(self.start, time.min) + timedelta(minutes=at)
        if moment.hour == 2:
            moment = moment.replace(hour=3, minute=0, second=moment.minute)
        return moment.isoformat(sep=" ")


@dataclass(eq=False)
class Firm:
    """An organisation: prospect, customer, former customer, a site of one, or a partner."""

    key: str
    name: str
    domain: str
    relation: str
    industry: str
    region: str
    country: str
    city: str
    employees: int | None = None
    parent: Firm | None = None
    seen: int = 0
    owner: str = ""
    people: list[Contact] = field(default_factory=list)
    sites: int = 1
    silent: int = DAYS  # the day from which on nothing happens there


@dataclass(eq=False)
class Contact:
    """A person, with where the person came from and when first seen."""

    key: str
    email: str
    first: str
    last: str
    title: str
    relation: str
    source: str
    country: str
    region: str
    city: str
    firm: Firm | None
    seen: int
    owner: str = ""
    program: str = ""
    language: str = ""


class Act(NamedTuple):
    """One activity; `whose` is a person's key, `firm` an account's, either may be empty."""

    at: int
    whose: str
    firm: str
    kind: str
    channel: str = ""
    platform: str = ""
    direction: str = ""
    actor: str = "human"
    value: str = ""
    campaign: str = ""
    reason: str = ""
    content: str = ""
    recorded: int | None = None
    deal: str = ""


@dataclass(eq=False)
class Sale:
    """One deal."""

    key: str
    name: str
    person: Contact | None
    firm: Firm | None
    status: str
    stage: str
    opened: int | None
    closed: int | None
    amount: int = 0
    product: str = "Monitor"
    reason: str = ""
    owner: str = ""
    partner: str = ""
    pipeline: str = "New business"


class Agreement(NamedTuple):
    """One contract; days since the start, which may lie before it."""

    key: str
    firm: str
    product: str
    starts: int
    renews: int | None
    notice: int | None
    ends: int | None
    annual: int
    auto_renew: bool


class Bought(NamedTuple):
    """One purchase, of a person or of a firm; money in cents."""

    key: str
    whose: str
    firm: str
    product: str
    at: int
    quantity: int
    amount: int
    cost: int


class Matter(NamedTuple):
    """One service case of a firm; without a closing it is open."""

    firm: str
    title: str
    severity: str
    opened: int
    closed: int | None


class Step(NamedTuple):
    """One stage movement out of a history kept elsewhere."""

    whose: str
    stage: str
    at: int
    reason: str
    recorded: int


class Member(NamedTuple):
    """One person's place in the webinars' trial, as the CRM keeps it; 0 for what did not happen."""

    whose: str
    at: int
    arm: str
    status: str = ""
    invited: int = 0
    attended: int = 0


class User(NamedTuple):
    """Somebody who works at the company."""

    email: str
    name: str
    role: str
    region: str
    active: bool


USERS = (
    User(f"mara.lindgren@{DOMAIN}", "Mara Lindgren", "marketer", "", True),
    User(f"theo.ashworth@{DOMAIN}", "Theo Ashworth", "marketer", "", True),
    User(f"ilka.brandt@{DOMAIN}", "Ilka Brandt", "sales", "EMEA", True),
    User(f"pieter.mulder@{DOMAIN}", "Pieter Mulder", "sales", "EMEA", True),
    User(f"ana.serrano@{DOMAIN}", "Ana Serrano", "sales", "EMEA", True),
    User(f"dale.whitaker@{DOMAIN}", "Dale Whitaker", "sales", "NA", True),
    User(f"renee.gauthier@{DOMAIN}", "Renée Gauthier", "sales", "NA", True),
    User(f"kenji.mori@{DOMAIN}", "Kenji Mori", "sales", "APAC", False),
    User(f"priya.menon@{DOMAIN}", "Priya Menon", "sales", "APAC", False),
    User(f"lachlan.shaw@{DOMAIN}", "Lachlan Shaw", "sales", "APAC", True),
    User(f"noor.haddad@{DOMAIN}", "Noor Haddad", "ops", "", True),
    User(f"joan.tate@{DOMAIN}", "Joan Tate", "analyst", "", True),
)
WITH_PASSWORD = (f"ilka.brandt@{DOMAIN}", f"dale.whitaker@{DOMAIN}")  # of two teams: each sees the accounts of a region
PRODUCTS = (
    # external id, name, family, price in cents
    ("MC-MON", "Monitor", "Subscription", 1_200_000),
    ("MC-COM", "Compliance", "Subscription", 480_000),
    ("MC-CAL", "Calibration", "Service", 360_000),
    ("MC-API", "API", "Subscription", 300_000),
    ("MC-PRE", "Predict", "Subscription", 600_000),
    ("MC-SENS", "Sensor pack", "Hardware", 249_000),
    ("MC-CART", "Cartridge", "Consumables", 4_900),
    ("MC-HOME", "Home sensor", "Shop", 14_900),
    ("MC-HCART", "Home cartridge", "Shop", 2_900),
)


@dataclass
class Company:
    """Everybody and everything that happened."""

    seed: int
    calendar: Calendar
    firms: list[Firm] = field(default_factory=list)
    people: list[Contact] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)
    matters: list[Matter] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    _emails: dict[str, int] = field(default_factory=dict)
    _firm_names: dict[str, int] = field(default_factory=dict)

    def draw(self, what: str) -> random.Random:
        """The dice of one part: a part that changes leaves the others as they are."""
        return random.Random(f"{self.seed}/{what}")

    def act(self, at: int, who: Contact | Firm, kind: str, **more: Any) -> None:
        """Note an activity of a person (with the firm) or of a firm."""
        if isinstance(who, Firm):
            self.acts.append(Act(at, "", who.key, kind, **more))
        else:
            self.acts.append(Act(at, who.key, who.firm.key if who.firm else "", kind, **more))

    # ---- firms ----

    def firm(
        self,
        draw: random.Random,
        relation: str,
        industry: str,
        region: str,
        *,
        parent: Firm | None = None,
        seen: int = 0,
    ) -> Firm:
        """One more organisation."""
        if parent:
            country, city = parent.country, draw.choice(names.COUNTRIES[parent.country][2])
            name, domain = f"{parent.name}, {names.SITES[parent.sites - 1]}", ""
            parent.sites += 1
        else:
            country = _country(draw, region)
            city = draw.choice(names.COUNTRIES[country][2])
            name, domain = self._firm_name(draw, industry, country)
        owner = ""
        if relation != "partner":
            owner = draw.choice([user.email for user in USERS if user.region == region and user.active])
        made = Firm(
            key=f"A{len(self.firms) + 1:04}",
            name=name,
            domain=domain,
            relation=relation,
            industry="" if industry == "" else industry,
            region=region,
            country=country,
            city=city,
            employees=int(draw.lognormvariate(5.2, 1.1)) + 4,
            parent=parent,
            seen=seen,
            owner=owner,
        )
        self.firms.append(made)
        return made

    def _firm_name(self, draw: random.Random, industry: str, country: str) -> tuple[str, str]:
        trades = names.TRADES[industry]
        while True:
            place, trade = draw.choice(names.PLACES) + draw.choice(names.ENDINGS), draw.choice(trades)
            plain = f"{place}-{trade}".lower()
            if plain not in self._firm_names:
                self._firm_names[plain] = 1
                return f"{place} {trade} {names.FORMS[country]}", f"{plain}.example"

    # ---- people ----

    def contact(
        self,
        draw: random.Random,
        relation: str,
        source: str,
        *,
        seen: int,
        firm: Firm | None = None,
        region: str = "",
        country: str = "",
        domain: str = "",
        titles: Sequence[str] = names.TITLES,
    ) -> Contact:
        """One more person, at a firm or alone."""
        country = firm.country if firm else country or _country(draw, region)
        people = draw.choice(names.COUNTRIES[country][1])
        first, last = draw.choice(names.GIVEN[people].split()), draw.choice(names.FAMILY[people].split())
        domain = domain or (_root(firm).domain if firm else "")
        made = Contact(
            key=f"P{len(self.people) + 1:05}",
            email=self.email(first, last, domain),
            first=first,
            last=last,
            title=draw.choice(titles) if titles else "",
            relation=relation,
            source=source,
            country=country,
            region=firm.region if firm else names.COUNTRIES[country][0],
            city=firm.city if firm else draw.choice(names.COUNTRIES[country][2]),
            firm=firm,
            seen=seen,
            owner=firm.owner if firm else "",
            language=names.LANGUAGES.get(country, "en"),
        )
        self.people.append(made)
        if firm:
            firm.people.append(made)
        return made

    def email(self, first: str, last: str, domain: str) -> str:
        """An address nobody has yet."""
        plain = f"{plainly(first)}.{plainly(last)}@{domain}"
        number = self._emails.get(plain, 0)
        self._emails[plain] = number + 1
        return plain if not number else f"{plainly(first)}.{plainly(last)}{number + 1}@{domain}"


def plainly(text: str) -> str:
    """Letters without marks, for addresses."""
    folded = unicodedata.normalize("NFKD", text.replace("ø", "o").replace("đ", "d").lower())
    return "".join(letter for letter in folded if letter.isascii() and letter.isalnum())


def hour(draw: random.Random, first: int = 7, last: int = 18) -> int:
    """Minutes into a day, within working hours unless said otherwise; never in the hours that clocks skip."""
    return draw.randrange(first * HOUR, last * HOUR)


def awake(draw: random.Random, at: int, first: int, last: int) -> int:
    """A moment of the same day when people are at their desks, within these bounds."""
    return max(first, min(at // DAY * DAY + hour(draw), last))


def parted(draw: random.Random, things: Iterable[T], shares: Sequence[int]) -> list[list[T]]:
    """The things, shuffled and parted into lots of these sizes. Raises ValueError unless they add up."""
    left = list(things)
    if sum(shares) != len(left) or min(shares) < 0:
        raise ValueError(f"{len(left)} things cannot be parted into {list(shares)}")
    draw.shuffle(left)
    lots = []
    for share in shares:
        lots.append(left[:share])
        left = left[share:]
    return lots


def spread(total: int, weights: Sequence[float], *, least: int = 1) -> list[int]:
    """`total` in whole parts in proportion to the weights, none below `least`."""
    whole = sum(weights)
    parts = [max(least, int(total * weight / whole)) for weight in weights]
    order = sorted(range(len(parts)), key=lambda place: -parts[place])
    rest, place = total - sum(parts), 0
    while rest:
        step = 1 if rest > 0 else -1
        at = order[place % len(order)]
        if parts[at] + step >= least:
            parts[at] += step
            rest -= step
        place += 1
    return parts


def _country(draw: random.Random, region: str) -> str:
    known = [(name, of[3]) for name, of in names.COUNTRIES.items() if of[0] == region]
    return draw.choices([name for name, _weight in known], [weight for _name, weight in known])[0]


def _root(firm: Firm) -> Firm:
    return firm.parent or firm
