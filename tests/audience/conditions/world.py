"""A small world with a past, as plain Python, written to the tables; and conditions answered over it by hand.

The answers here are computed from the timelines that the rows were made from, one subject at a time, in Python: what
the compiled statement must agree with.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from audience.conditions.tree import All, AnyOf, Leaf, Node, Not
from audience.models import (
    Account,
    Activity,
    ActivityKind,
    ConsentRecord,
    Contract,
    ContractAmendment,
    ContractChange,
    Deal,
    DealRole,
    DealStageChange,
    Field,
    FieldChange,
    Person,
    Purchase,
    Tag,
    Tagged,
    Topic,
)
from kit import installation
from lifecycle.engine import sla
from lifecycle.models import Lifecycle, Membership, Movement, Stage, Version

ZONE = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 180
END = BEGIN + timedelta(days=DAYS)
KINDS = ("page_visited", "webinar_attended", "demo_requested")
CHANNELS = ("web", "email", "")
COUNTRIES = ("DE", "FR", "us", "")
TITLES = ("Director of Sales", "Sales director", "Engineer", "")
TAGS = ("vip", "trade-fair")
TOPICS = ("offers", "updates")
STAGES = ("known", "mql", "won", "lost")
LIMIT = 40  # working hours in "mql"

_unique = count(1)


@dataclass
class Change:
    """A value that was taken at an instant."""

    at: datetime
    recorded: datetime
    old: str | None
    new: str | None


@dataclass
class Subject:
    """A person or an account with the timelines of its values."""

    of: str
    first_seen: datetime
    created: datetime
    values: dict[str, Any]
    changes: dict[str, list[Change]] = field(default_factory=dict)
    erased: bool = False
    pk: int = 0

    def value(self, name: str, at: datetime, known: datetime | None) -> str | None:
        for change in self.changes.get(name, []):
            if not (change.at < at and (known is None or change.recorded < known)):
                return change.old
        return self.values.get(name)


@dataclass
class Deed:
    """An activity."""

    person: Subject | None
    account: Subject | None
    kind: str
    channel: str
    topic: str
    actor: str
    value: Decimal | None
    at: datetime
    recorded: datetime
    reversed_at: datetime | None = None
    restored: datetime | None = None  # when its reversal was known to be a mistake


@dataclass
class Sale:
    """A deal: `events` are (instant, status, stage), the first its opening."""

    account: Subject | None
    people: list[Subject]
    amount: int | None
    currency: str
    opened: datetime
    recorded: datetime
    events: list[tuple[datetime, str, str]]
    pipeline: str
    noted: bool


@dataclass
class Buy:
    """A purchase."""

    subject: Subject
    amount: int | None
    currency: str
    at: datetime
    recorded: datetime


@dataclass
class Agreement:
    """A contract: `amended` are (day, value, recorded), `moved` (instant, renewal until then, and whether by itself)."""

    subject: Subject
    starts: date
    renews: date | None
    notice: date | None
    ends: date | None
    value: int | None
    currency: str
    recorded: datetime
    amended: list[tuple[date, int, datetime]]
    by_itself: bool = False
    moved: list[tuple[datetime, date | None, bool]] = field(default_factory=list)

    def then(self, at: datetime, known: datetime | None) -> tuple[date | None, bool]:
        """When it renews, and whether by itself, as of an instant."""
        for changed, renews, by_itself in self.moved:
            if not _visible(changed, changed, at, known):
                return renews, by_itself
        return self.renews, self.by_itself

    @property
    def first(self) -> date | None:
        """The day of renewal that was told first."""
        return next((renews for _at, renews, _itself in self.moved if renews), self.renews)


@dataclass
class Word:
    """What a person said of a topic (None: of all), perhaps taken for a mistake later."""

    subject: Subject
    topic: str | None
    given: bool
    at: datetime
    recorded: datetime
    pk: int = 0
    corrected: datetime | None = None


@dataclass
class Pass:
    """One pass of a person through the lifecycle: (instant, stage or None)."""

    subject: Subject
    number: int
    moves: list[tuple[datetime, str | None]]


class World:
    """Everything that is known, and the tables filled with it."""

    def __init__(self, seed: int = 7, people: int = 40, accounts: int = 8) -> None:
        self.random = random.Random(seed)
        installation.put("zone", "Europe/Berlin")
        self.kinds = {slug: ActivityKind.objects.create(slug=slug, label=slug) for slug in KINDS}
        for of in ("person", "account"):
            for slug, kind in (("points", "number"), ("renews", "date"), ("is_vip", "yes_no")):
                Field.objects.create(of=of, slug=slug, label=slug, type=kind, created_at=BEGIN)
        self.tags = {slug: Tag.objects.create(slug=slug, name=slug, created_at=BEGIN) for slug in TAGS}
        lifecycle = Lifecycle.objects.create(
            slug="net_new", name="Net-new", species="net_new", of="person", created_at=BEGIN
        )
        self.version = Version.objects.create(lifecycle=lifecycle, number=1, created_at=BEGIN)
        self.stages = {
            slug: Stage.objects.create(
                version=self.version,
                slug=slug,
                name=slug.title(),
                order=number,
                **({"kind": "sla", "limit_hours": LIMIT} if slug == "mql" else {}),
            )
            for number, slug in enumerate(STAGES)
        }
        self.accounts = [self._account() for _ in range(accounts)]
        self.people = [self._person() for _ in range(people)]
        self.deeds_of: dict[int, list[Deed]] = {}
        self.sales: list[Sale] = []
        self.buys: list[Buy] = []
        self.agreements: list[Agreement] = []
        self.words: list[Word] = []
        self.topics = {
            slug: Topic.objects.get_or_create(slug=slug, defaults={"label": slug.title()})[0] for slug in TOPICS
        }
        self.passes: list[Pass] = []
        for _ in range(people * 8):
            self.act(self.instant())
        for _ in range(people):
            self.sell(self.instant())
        for _ in range(people):
            self.buy(self.instant())
        for person in self.people:
            self._travel(person)
        sla.redate()
        for _ in range(people):
            self.agree(self.instant())
            self.say(self.instant())

    def subjects(self, of: str) -> list[Subject]:
        return self.people if of == "person" else self.accounts

    # Making things happen

    def instant(self, after: datetime = BEGIN, before: datetime = END) -> datetime:
        """Some instant; now and then a local midnight, where days begin."""
        seconds = self.random.randrange(max(1, int((before - after).total_seconds())))
        found = after + timedelta(seconds=seconds)
        if self.random.random() < 0.15:
            found = datetime.combine(found.astimezone(ZONE).date(), datetime.min.time(), ZONE).astimezone(UTC)
        return max(found, after)

    def late(self, at: datetime) -> datetime:
        """When something is recorded: at once, or days later."""
        return at + timedelta(days=self.random.choice([0, 0, 0, 20]))

    def _account(self) -> Subject:
        first = BEGIN - timedelta(days=10)
        values = {
            "country": self.random.choice(COUNTRIES),
            "industry": self.random.choice(["Software", "Retail", ""]),
            "employees": str(self.random.randrange(1, 5) * 50),
            "custom.points": self.random.choice(["1", "2.5", None]),
        }
        subject = Subject("account", first, self.late(first), values)
        return self._store(subject)

    def _person(self) -> Subject:
        first = self.random.choice([BEGIN - timedelta(days=30), self.instant()])
        account = self.random.choice([*self.accounts, None, None])
        values = {
            "country": self.random.choice(COUNTRIES),
            "title": self.random.choice(TITLES),
            "account": None if account is None else str(account.pk),
            "custom.points": self.random.choice(["0", "7", "7.5", None]),
            "custom.renews": self.random.choice(["2025-03-30", "2025-04-15", "2025-12-31", "not a day", None]),
            "custom.is_vip": self.random.choice(["true", "false", None]),
        }
        subject = Subject("person", first, self.late(first), values, erased=self.random.random() < 0.05)
        return self._store(subject)

    def _store(self, subject: Subject) -> Subject:
        custom = {
            name.removeprefix("custom."): _json(value)
            for name, value in subject.values.items()
            if name.startswith("custom.") and value is not None
        }
        common: dict[str, Any] = {
            "country": subject.values["country"] or "",
            "custom": custom,
            "first_seen_at": subject.first_seen,
            "created_at": subject.created,
            "erased_at": END if subject.erased else None,
        }
        row: Any
        if subject.of == "person":
            account = subject.values["account"]
            row = Person(title=subject.values["title"], account_id=account and int(account), **common)
        else:
            employees = subject.values["employees"]
            row = Account(industry=subject.values["industry"], employees=employees and int(employees), **common)
        row.save()
        subject.pk = row.pk
        for _ in range(self.random.randrange(6)):
            self.change(subject, self.instant())
        return subject

    def change(self, subject: Subject, at: datetime) -> None:
        """A value changes; it may be told out of order, before changes that are there already."""
        pools: dict[str, list[str | None]] = {
            "country": list(COUNTRIES),
            "custom.points": ["0", "7", "12.25", None],
            **{f"tag.{slug}": ["yes", None] for slug in TAGS},
        }
        if subject.of == "person":
            pools |= {
                "title": list(TITLES),
                "account": [*(str(each.pk) for each in self.accounts), None],
                "custom.renews": ["2025-02-10", "2025-05-05", None],
            }
        else:
            pools |= {"industry": ["Software", "Banking", ""], "employees": ["10", "100", None]}
        name = self.random.choice(sorted(pools))
        history = subject.changes.setdefault(name, [])
        if history and at <= history[-1].at:
            at = history[-1].at + timedelta(hours=1)
        old, new = subject.values.get(name), self.random.choice(pools[name])
        if old == new:
            return
        change = Change(at, self.late(at), old, new)
        history.append(change)
        subject.values[name] = new
        FieldChange.objects.create(
            **{subject.of + "_id": subject.pk},
            field=name,
            old=old,
            source="test",
            occurred_at=at,
            recorded_at=change.recorded,
        )
        model: Any = Person if subject.of == "person" else Account
        row = model.objects.get(pk=subject.pk)
        if name.startswith("tag."):
            tag = self.tags[name.removeprefix("tag.")]
            if new:
                Tagged.objects.create(**{subject.of + "_id": subject.pk}, tag=tag, source="test", tagged_at=at)
            else:
                Tagged.objects.filter(subject_id=subject.pk, tag=tag).delete()
            return
        if name.startswith("custom."):
            slug = name.removeprefix("custom.")
            row.custom.pop(slug, None)
            if new is not None:
                row.custom[slug] = _json(new)
        elif name == "account":
            row.account_id = new and int(new)
        elif name == "employees":
            row.employees = new and int(new)
        else:
            setattr(row, name, new or "")
        row.save()

    def act(self, at: datetime) -> None:
        """Somebody does something; some of it is taken back later."""
        choose = self.random
        person = choose.choice([*self.people, None])
        account = choose.choice(self.accounts) if person is None or choose.random() < 0.5 else None
        deed = Deed(
            person,
            account,
            choose.choice(KINDS),
            choose.choice(CHANNELS),
            choose.choice(["Price", "price", "Setup"]),
            choose.choice(["human", "human", "human", "unknown", "bot", "proxy"]),
            choose.choice([None, Decimal("1.5"), Decimal("10"), Decimal("-2")]),
            at,
            self.late(at),
        )
        for subject in (person, account):
            if subject:
                self.deeds_of.setdefault(subject.pk, []).append(deed)
        made = self._write(deed)
        if choose.random() < 0.15:
            deed.reversed_at = at + timedelta(days=choose.randrange(1, 30))
            reversal = self._write(deed, reverses=made)
            if choose.random() < 0.4:
                deed.restored = deed.reversed_at + timedelta(days=choose.randrange(1, 30))
                self._write(deed, reverses=reversal, recorded=deed.restored)

    def _write(self, deed: Deed, reverses: Activity | None = None, recorded: datetime | None = None) -> Activity:
        at = deed.reversed_at if reverses else deed.at
        assert at is not None
        return Activity.objects.create(
            person_id=deed.person and deed.person.pk,
            account_id=deed.account and deed.account.pk,
            kind=self.kinds[deed.kind],
            channel=deed.channel,
            actor=deed.actor,
            value=deed.value,
            properties={"topic": deed.topic},
            occurred_at=at,
            recorded_at=recorded or (at if reverses else deed.recorded),
            source="test",
            external_id=str(next(_unique)),
            reversal_of=reverses,
        )

    def buy(self, at: datetime) -> None:
        """Somebody buys something."""
        choose = self.random
        subject = choose.choice([*self.people, *self.accounts])
        bought = Buy(
            subject, choose.choice([None, 500, 12_000]), choose.choice(["EUR", "EUR", "", "USD"]), at, self.late(at)
        )
        self.buys.append(bought)
        Purchase.objects.create(
            **{subject.of + "_id": subject.pk},
            amount=bought.amount,
            currency=bought.currency,
            occurred_at=at,
            recorded_at=bought.recorded,
            source="test",
            external_id=str(next(_unique)),
        )

    def agree(self, at: datetime) -> None:
        """A contract begins; it may be amended, and may end."""
        choose = self.random
        starts = _day(at)

        def later(*days: int) -> date | None:
            after = choose.choice([None, *days])
            return None if after is None else starts + timedelta(days=after)

        agreed = Agreement(
            choose.choice([*self.people, *self.accounts]),
            starts,
            later(30, 60, 90),
            later(10, 30),
            later(1, 45, 80),
            choose.choice([None, 500, 12_000]),
            choose.choice(["EUR", "EUR", "", "USD"]),
            self.late(at),
            [],
        )
        self._move_on(agreed)
        self.agreements.append(agreed)
        row = Contract.objects.create(
            **{agreed.subject.of + "_id": agreed.subject.pk},
            starts_on=starts,
            renews_on=agreed.renews,
            notice_on=agreed.notice,
            ends_on=agreed.ends,
            auto_renew=agreed.by_itself,
            annual_value=agreed.value,
            currency=agreed.currency,
            recorded_at=agreed.recorded,
            source="test",
            external_id=str(next(_unique)),
        )
        for days in choose.sample([5, 20, 50], choose.randrange(3)):
            day, value = starts + timedelta(days=days), choose.choice([0, 700, 20_000])
            recorded = self.late(datetime.combine(day, datetime.min.time(), ZONE).astimezone(UTC))
            agreed.amended.append((day, value, recorded))
            ContractAmendment.objects.create(contract=row, valid_from=day, annual_value=value, recorded_at=recorded)
        for changed, renews, by_itself in agreed.moved:
            ContractChange.objects.create(
                contract=row, starts_on=row.starts_on, product_id=row.product_id, renews_on=renews,
                notice_on=agreed.notice, ends_on=agreed.ends, auto_renew=by_itself, changed_at=changed,
            )  # fmt: skip

    def _move_on(self, agreed: Agreement) -> None:
        """Some renew by themselves; some are given another day of renewal, once or twice."""
        choose = self.random
        agreed.by_itself = choose.random() < 0.4
        if agreed.renews and choose.random() < 0.3:  # brought when its first term was over
            agreed.renews += timedelta(days=365)
        begins = datetime.combine(agreed.starts, datetime.min.time(), ZONE).astimezone(UTC)
        for at in sorted(self.instant(begins, begins + timedelta(days=80)) for _ in range(choose.choice([0, 0, 1, 2]))):
            agreed.moved.append((at, agreed.renews, agreed.by_itself))
            agreed.renews = choose.choice(
                [None, *(agreed.starts + timedelta(days=days) for days in (20, 90, 120, 400))]
            )
            agreed.by_itself = choose.random() < 0.4

    def say(self, at: datetime) -> None:
        """Somebody gives consent or takes it back; now and then that was a mistake."""
        choose = self.random
        word = Word(
            choose.choice(self.people), choose.choice([*TOPICS, None]), choose.random() < 0.6, at, self.late(at)
        )
        self.words.append(word)
        made = self._consent(word, at, word.recorded)
        word.pk = made.pk
        if choose.random() < 0.2:
            word.corrected = at + timedelta(days=choose.randrange(1, 30))
            self._consent(word, word.corrected, word.corrected, reverses=made)

    def _consent(
        self, word: Word, at: datetime, recorded: datetime, reverses: ConsentRecord | None = None
    ) -> ConsentRecord:
        return ConsentRecord.objects.create(
            person_id=word.subject.pk,
            topic=self.topics[word.topic] if word.topic else None,
            channel="email",
            given=word.given,
            basis="consent",
            source="test",
            occurred_at=at,
            recorded_at=recorded,
            reversal_of=reverses,
        )

    def sell(self, at: datetime) -> None:
        """A deal is opened, perhaps closed (now and then before it was opened), perhaps taken up again."""
        choose = self.random
        events = [(at, "open", "offer")]
        for _ in range(choose.randrange(4)):
            last, status, _stage = events[-1]
            then = last + timedelta(days=choose.randrange(1, 40), seconds=choose.randrange(3600))
            if status == "open":
                turn = choose.choice(["won", "lost", "open"])
                events.append((then, turn, "talks" if turn == "open" else "done"))
            else:
                events.append((then, "open", "offer"))
        noted = len(events) > 2 or choose.random() < 0.7
        if not noted and events[-1][1] != "open" and choose.random() < 0.5:
            events = [(at - timedelta(days=3), events[-1][1], "done")]
        people = choose.sample(self.people, choose.randrange(3))
        sale = Sale(
            choose.choice([*self.accounts, None]),
            people,
            choose.choice([None, 100_000, 2_500]),
            choose.choice(["EUR", "", "USD"]),
            at,
            self.late(at),
            events,
            choose.choice(["New", "Upsell"]),
            noted,
        )
        self.sales.append(sale)
        closed_at, status, stage = events[-1]
        deal = Deal.objects.create(
            account_id=sale.account and sale.account.pk,
            amount=sale.amount,
            currency=sale.currency,
            pipeline=sale.pipeline,
            stage=stage,
            status=status,
            opened_at=at,
            closed_at=None if status == "open" else closed_at,
            recorded_at=sale.recorded,
            source="test",
            external_id=str(next(_unique)),
        )
        for person in people:
            DealRole.objects.create(deal=deal, person_id=person.pk, role="buyer")
        if noted:
            for (_before, was, from_stage), (then, now, to_stage) in zip(events, events[1:], strict=False):
                DealStageChange.objects.create(
                    deal=deal,
                    from_status=was,
                    to_status=now,
                    from_stage=from_stage,
                    to_stage=to_stage,
                    occurred_at=then,
                    recorded_at=then,
                )

    def _travel(self, person: Subject) -> None:
        at = person.first_seen
        for number in range(1, self.random.choice([1, 2, 2, 3])):
            moves: list[tuple[datetime, str | None]] = []
            for slug in self.random.choice([["known"], ["known", "mql"], ["known", "mql", "won"], ["known", None]]):
                at = self.instant(at, at + timedelta(days=50))
                moves.append((at, slug))
            if moves[-1][1] in ("known", "mql") and number == 1 and self.random.random() < 0.5:
                moves.append((at, None))
            travel = Pass(person, number, moves)
            self.passes.append(travel)
            self._ledger(travel)
            if moves[-1][1] in ("known", "mql"):
                return

    def _ledger(self, travel: Pass) -> None:
        last_at, last = travel.moves[-1]
        membership = Membership.objects.create(
            lifecycle=self.version.lifecycle,
            version=self.version,
            person_id=travel.subject.pk,
            pass_number=travel.number,
            stage=self.stages[last] if last else None,
            seq=len(travel.moves),
            entered_at=last_at,
            ended_at=last_at if last in (None, "won") else None,
        )
        before = None
        for seq, (at, slug) in enumerate(travel.moves, 1):
            Movement.objects.create(
                membership=membership,
                seq=seq,
                version=self.version,
                from_stage=self.stages[before] if before else None,
                to_stage=self.stages[slug] if slug else None,
                occurred_at=at,
                evidence_at=at,
                recorded_at=at,
                kind="rule",
            )
            before = slug

    def more_happens(self, since: datetime) -> None:
        """Later facts of every kind, none before `since`."""
        for _ in range(12):
            self.act(self.instant(since, since + timedelta(days=60)))
        for _ in range(8):
            self.change(
                self.random.choice([*self.people, *self.accounts]), self.instant(since, since + timedelta(days=60))
            )
        for _ in range(4):
            self.sell(self.instant(since + timedelta(days=4), since + timedelta(days=60)))
            self.buy(self.instant(since, since + timedelta(days=60)))

    # Answering by hand

    def there(self, of: str, at: datetime, known: datetime | None = None) -> list[Subject]:
        return [
            each
            for each in self.subjects(of)
            if not each.erased and each.first_seen < at and (known is None or each.created < known)
        ]

    def members(self, node: Node, of: str, at: datetime, known: datetime | None = None) -> set[int]:
        return {each.pk for each in self.there(of, at, known) if self.holds(node, each, at, known)}

    def holds(self, node: Node, subject: Subject, at: datetime, known: datetime | None) -> bool:
        if isinstance(node, All):
            return all(self.holds(part, subject, at, known) for part in node.parts)
        if isinstance(node, AnyOf):
            return any(self.holds(part, subject, at, known) for part in node.parts)
        if isinstance(node, Not):
            return not self.holds(node.part, subject, at, known)
        return _holds(node, self.found(node, subject, at, known), at)

    def found(self, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        """The value of a leaf's field; None when unknown."""
        group, _dot, rest = leaf.field.name.partition(".")
        if leaf.field.name == "person.in_account":
            return any(self._who(leaf, each, at, known) for each in self._accounts_of(subject, at, known))
        if leaf.field.name == "account.people":
            people = [each for each in self.there("person", at, known)
                      if each.value("account", at, known) == str(subject.pk)]  # fmt: skip
            return sum(self._who(leaf, each, at, known) for each in people)
        if group in ("person", "account"):
            return self._column(group, rest, leaf, subject, at, known)
        facts = {"activity": self._deeds, "purchase": self._buys, "deal": self._sales, "stage": self._stage,
                 "contract": self._agreed, "consent": self._consented}  # fmt: skip
        return facts[group](rest, leaf, subject, at, known)

    def _who(self, leaf: Leaf, other: Subject, at: datetime, known: datetime | None) -> bool:
        return leaf.who is None or self.holds(leaf.who, other, at, known)

    def _accounts_of(self, person: Subject, at: datetime, known: datetime | None) -> list[Subject]:
        account = person.value("account", at, known)
        return [each for each in self.there("account", at, known) if str(each.pk) == account]

    def _column(self, owner: str, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        if owner != subject.of:
            account = subject.value("account", at, known)
            owners = [each for each in self.accounts if str(each.pk) == account]
            if not owners or (known is not None and owners[0].created >= known):
                return None
            subject = owners[0]
        if name == "created":
            return subject.first_seen
        if name == "tag":
            return {slug for slug in TAGS if subject.value(f"tag.{slug}", at, known)} or None
        if name == "has_account":
            return subject.value("account", at, known) is not None
        text = subject.value(name, at, known)
        if text in (None, ""):
            return None
        if leaf.field.type == "number":
            return Decimal(text)
        if leaf.field.type == "date":
            return None if text == "not a day" else date.fromisoformat(text)
        if leaf.field.type == "yes_no":
            return text == "true"
        return text

    def _deeds(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        where = dict(leaf.where)
        counted = [
            each
            for each in self.deeds_of.get(subject.pk, [])
            if _visible(each.at, each.recorded, at, known)
            and not (
                each.reversed_at
                and _visible(each.reversed_at, each.reversed_at, at, known)
                and not (each.restored and _visible(each.reversed_at, each.restored, at, known))
            )
            and _in_window(each.at, leaf.days, at)
            and _of_days(each.at, where)
            and each.kind in where.get("kind", KINDS)
            and each.channel in where.get("channel", CHANNELS)
            and each.topic.lower() in where.get("properties.topic", (each.topic.lower(),))
            and (each.actor in where["actor"] if "actor" in where else each.actor == "human")
        ]
        instants = [each.at for each in counted]
        if name == "change":
            assert leaf.days is not None
            wider = replace(leaf, field=replace(leaf.field, needs_days=False), days=2 * leaf.days)
            return 2 * len(counted) - self._deeds("count", wider, subject, at, known)
        if name == "count":
            return len(counted)
        if name == "sum":
            return sum((each.value or Decimal(0) for each in counted), Decimal(0))
        if not instants:
            return None
        if name == "days_since_last":
            return (_day(at) - _day(max(instants))).days
        return min(instants) if name == "first" else max(instants)

    def _buys(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        counted = [
            each
            for each in self.buys
            if each.subject is subject
            and _visible(each.at, each.recorded, at, known)
            and _in_window(each.at, leaf.days, at)
            and _of_days(each.at, dict(leaf.where))
        ]
        if name == "count":
            return len(counted)
        if name == "sum":
            return sum(each.amount or 0 for each in counted if each.currency in ("EUR", ""))
        instants = [each.at for each in counted]
        return (max if name == "last" else min)(instants) if instants else None

    def _agreed(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        def past(day: date) -> bool:
            return datetime.combine(day, datetime.min.time(), ZONE) < at

        begun = [
            each
            for each in self.agreements
            if each.subject is subject and past(each.starts) and (known is None or each.recorded < known)
        ]
        in_force = [each for each in begun if not (each.ends and past(each.ends))]
        if name == "count":
            return len(in_force)
        if name == "annual_value":
            return sum(self._worth(each, past, known) for each in in_force if each.currency in ("EUR", ""))
        days: dict[str, list[date]] = {
            "began": [each.starts for each in begun],
            "ended": [each.ends for each in begun if each.ends and past(each.ends)],
            "renews": [day for each in in_force if (day := each.then(at, known)[0]) and day >= _day(at)],
            "term_ends": [day for each in in_force for day in self._terms(each, at, known) if day >= _day(at)],
            "ending": [each.ends for each in in_force if each.ends and each.ends >= _day(at)],
            "notice": [each.notice for each in in_force if each.notice and each.notice >= _day(at)],
        }
        if name in ("renewed", "lapsed"):
            happened = self._renewed(begun, at, known) if name == "renewed" else self._lapsed(begun, at, known)
            return sum(each < at and _in_window(each, leaf.days, at) for each in happened)
        return (max if name == "ended" else min)(days[name]) if days[name] else None

    def _terms(self, agreed: Agreement, at: datetime, known: datetime | None) -> list[date]:
        """The days on which its terms end, as of an instant, for some years."""
        renews, by_itself = agreed.then(at, known)
        found = [agreed.ends] if agreed.ends else []
        if renews:
            years = [renews.replace(year=renews.year + n) for n in range(3 if by_itself else 1)]
            found += [day for day in years if not agreed.ends or day < agreed.ends]
        if by_itself and agreed.first:
            years = [agreed.first.replace(year=agreed.first.year - n) for n in (1, 2)]
            found += [day for day in years if day > agreed.starts and (not agreed.ends or day < agreed.ends)]
        return sorted(set(found))

    def _renewed(self, begun: list[Agreement], at: datetime, known: datetime | None) -> list[datetime]:
        found = []
        for each in begun:
            renews, by_itself = each.then(at, known)
            olds = [(changed, old) for changed, old, _itself in each.moved]
            for (changed, old), new in zip(olds, [*(old for _at, old in olds[1:]), each.renews], strict=False):
                if _visible(changed, changed, at, known) and old and new and new > old and renews and renews >= new:
                    found.append(changed)
            if by_itself:
                found += [_midnight(day) for day in self._terms(each, at, known) if day != each.ends]
            for other in self._followers(each, begun, at, known):
                was_ended = self._was_ended(each, at, known)
                day = each.ends if was_ended else max(renews or other.starts, other.starts)
                assert day is not None
                found.append(_midnight(day))
        return found

    def _lapsed(self, begun: list[Agreement], at: datetime, known: datetime | None) -> list[datetime]:
        found = []
        for each in begun:
            renews, by_itself = each.then(at, known)
            was_ended = self._was_ended(each, at, known)
            day = each.ends if was_ended else renews and not by_itself and renews + timedelta(days=30)
            if day and not self._followers(each, begun, at, known):
                found.append(_midnight(day))
        return found

    def _was_ended(self, agreed: Agreement, at: datetime, known: datetime | None) -> bool:
        renews, by_itself = agreed.then(at, known)
        return bool(agreed.ends and (not renews or by_itself or agreed.ends <= renews + timedelta(days=30)))

    def _followers(
        self, agreed: Agreement, begun: list[Agreement], at: datetime, known: datetime | None
    ) -> list[Agreement]:
        renews, by_itself = agreed.then(at, known)
        grace = timedelta(days=30)
        others = [each for each in begun if each.starts > agreed.starts]
        if self._was_ended(agreed, at, known):
            ends = agreed.ends
            assert ends is not None
            return [each for each in others if ends - grace <= each.starts <= ends
                    and (not each.ends or each.ends > ends)]  # fmt: skip
        if not renews or by_itself:
            return []
        return [each for each in others if renews - grace <= each.starts <= renews + grace]

    def _worth(self, agreed: Agreement, past: Callable[[date], bool], known: datetime | None) -> int:
        amended = [
            (day, value) for day, value, recorded in agreed.amended if past(day) and (known is None or recorded < known)
        ]
        return max(amended)[1] if amended else agreed.value or 0

    def _consented(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        said = [
            each
            for each in self.words
            if each.subject is subject
            and each.topic in (name, None)
            and _visible(each.at, each.recorded, at, known)
            and not (each.corrected and _visible(each.corrected, each.corrected, at, known))
        ]
        return max(said, key=lambda each: (each.at, each.pk)).given if said else None

    def _sales(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        where = dict(leaf.where)
        counted = []
        for each in self.sales:
            mine = subject in each.people if subject.of == "person" else each.account is subject
            if not mine or (known is not None and each.recorded >= known):
                continue
            # A closing that nobody noted apart is known with the deal itself; the noted ones when they were noted.
            seen = [event for event in each.events if _visible(event[0], event[0] if each.noted else at, at, None)]
            if known is not None and each.noted:
                seen = [event for event in seen if event[0] < known or event is each.events[0]]
            if not seen:
                if each.opened < at:
                    seen = [(each.opened, "open", each.events[0][2])]
                else:
                    continue
            since, status, stage = seen[-1]
            fact = since if status != "open" else each.opened
            if status == "open" and not each.noted:
                stage = each.events[-1][2]
            asked_for = (
                status in where.get("status", (status,))
                and each.pipeline.lower() in where.get("pipeline", (each.pipeline.lower(),))
                and stage in where.get("stage", (stage,))
            )
            if asked_for and _in_window(fact, leaf.days, at) and _of_days(fact, where):
                counted.append(each)
        if name == "count":
            return len(counted)
        return sum(each.amount or 0 for each in counted if each.currency in ("EUR", ""))

    def _limits(self, name: str, subject: Subject, at: datetime, known: datetime | None) -> Any:
        begun = [
            each for each in self.passes
            if each.subject is subject and _visible(each.moves[0][0], each.moves[0][0], at, known)
        ]  # fmt: skip
        held, over = set(), None
        moves = [move for move in begun[-1].moves if _visible(move[0], move[0], at, known)] if begun else []
        for (since, slug), (left, _to) in zip(moves, [*moves, (None, None)][1:], strict=True):
            if slug == "mql":
                due = _due(since, LIMIT)
                held |= {"met"} if left and left <= due else {"missed"} if due < (left or at) else set()
                if left is None and due < at:
                    held, over = held | {"past_due"}, int(_worked(due, at) // timedelta(hours=1))
        return over if name.endswith(".hours_over") else held

    def _stage(self, name: str, leaf: Leaf, subject: Subject, at: datetime, known: datetime | None) -> Any:
        if name.endswith((".limit", ".hours_over")):
            return self._limits(name, subject, at, known)
        moves = [
            move
            for each in self.passes
            if each.subject is subject
            for move in each.moves
            if _visible(move[0], move[0], at, known)
        ]
        if name.endswith(".ever"):
            return {slug for _at, slug in moves}
        if not moves or moves[-1][1] is None:
            return None
        since, slug = moves[-1]
        return (_day(at) - _day(since)).days if name.endswith(".days_in") else slug


def _json(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _visible(occurred: datetime, recorded: datetime, at: datetime, known: datetime | None) -> bool:
    return occurred < at and (known is None or recorded < known)


def _of_days(occurred: datetime, where: dict[str, tuple[str, ...]]) -> bool:
    day = occurred.astimezone(ZONE).date().isoformat()
    return where.get("since", (day,))[0] <= day <= where.get("until", (day,))[0]


def _in_window(occurred: datetime, days: int | None, at: datetime) -> bool:
    if days is None:
        return True
    clock = at.astimezone(ZONE).replace(tzinfo=None) - timedelta(days=days)
    return occurred >= clock.replace(tzinfo=ZONE).astimezone(UTC)


def _worked(start: datetime, end: datetime) -> timedelta:
    """What was worked between two instants, on weekdays from nine to five."""
    day, total = _day(start), timedelta()
    while day <= _day(end):
        if day.weekday() < 5:
            opens, closes = (datetime.combine(day, time(hour), ZONE).astimezone(UTC) for hour in (9, 17))
            total += max(min(closes, end) - max(opens, start), timedelta())
        day += timedelta(days=1)
    return total


def _due(since: datetime, hours: int) -> datetime:
    """When so many hours of work are over."""
    day, left = _day(since), timedelta(hours=hours)
    while True:
        end = datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)
        worked = _worked(since, end)
        if worked >= left:
            closes = datetime.combine(day, time(17), ZONE).astimezone(UTC)
            return closes - (worked - left)
        day += timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZONE)


def _day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def _holds(leaf: Leaf, found: Any, at: datetime) -> bool:
    operator, wanted = leaf.operator, leaf.operand
    if leaf.field.type == "ever":
        return bool(found & ({wanted} if operator == "is" else set(wanted)))
    if operator == "empty":
        return found is None
    if found is None:
        return False
    if operator == "not_empty":
        return True
    if leaf.field.type == "set":
        return bool(found & ({wanted} if operator == "is" else set(wanted)))
    if isinstance(found, str):
        have = found.lower()
        texts = {
            "is": lambda: have == wanted.lower(),
            "is_not": lambda: have != wanted.lower(),
            "in": lambda: have in [each.lower() for each in wanted],
            "not_in": lambda: have not in [each.lower() for each in wanted],
            "contains": lambda: wanted.lower() in have,
            "starts_with": lambda: have.startswith(wanted.lower()),
        }
        return texts[operator]()
    if isinstance(found, bool):
        return found is wanted
    if isinstance(found, date):
        age = (_day(at) - (_day(found) if isinstance(found, datetime) else found)).days
        if operator in ("before", "on_or_after"):
            if isinstance(found, datetime) and not isinstance(wanted, datetime):
                wanted = datetime.combine(wanted, datetime.min.time(), ZONE)
            return found < wanted if operator == "before" else found >= wanted
        return {
            "days_ago_at_least": age >= wanted,
            "days_ago_at_most": 0 <= age <= wanted,
            "within_next_days": 0 <= -age <= wanted,
        }[operator]
    numbers = {
        "at_least": lambda: found >= wanted,
        "at_most": lambda: found <= wanted,
        "more_than": lambda: found > wanted,
        "less_than": lambda: found < wanted,
        "equals": lambda: found == wanted,
        "between": lambda: wanted[0] <= found <= wanted[1],
    }
    return numbers[operator]()
