"""The board: the stages of a live version as columns, each with its count, the value of its open deals, and cards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Window
from django.db.models.functions import RowNumber

from audience.models import Account, Person
from audience.subjects import listing
from kit import installation, pages
from kit.models import User
from kit.sql import Sql, dicts, sql
from lifecycle.models import Membership, Stage, Version

FIRST = 25  # cards of a column that the page begins with, and that each “more” adds
FEW = 20_000  # members that are sorted rather than read column by column
OPEN = Sql("deal.status = 'open'")
NEWEST, LONGEST = "-entered_at", "entered_at"


@dataclass(frozen=True)
class Figures:
    """What stands over a column: how many members, and what their open deals are worth.

    `amount` is in minor units of the installation's currency, each deal counted once however many of its people are in
    the column; `deals` are how many that are, `others` how many open deals are in other currencies and not in it;
    `with_deal` how many members have an open deal in any currency.
    """

    count: int = 0
    amount: int = 0
    deals: int = 0
    others: int = 0
    with_deal: int = 0


@dataclass(frozen=True)
class Card:
    """One member: who, of which account, how many local days in the stage, whose, and what other apps add."""

    membership: Membership
    subject: Person | Account
    beside: str
    days: int
    is_overdue: bool
    owner: User | None
    facts: list[tuple[Any, Any]]


@dataclass
class Column:
    """One stage with its figures and its first cards; `more` is where the next ones begin, if there are any."""

    stage: Stage
    figures: Figures
    cards: list[Card] = field(default_factory=list)
    more: str = ""
    more_url: str = ""  # the pages fill in these addresses
    rest_url: str = ""
    links: dict[str, str] = field(default_factory=dict)

    @property
    def is_slim(self) -> bool:
        """A stage that ends the pass shows no cards: who is there is done."""
        return self.stage.kind == Stage.Kind.TERMINAL


def stages_of(version: Version) -> list[Stage]:
    """The columns in order: the success path, then detours, ends off the path last; gates hold nobody."""

    def place(stage: Stage) -> tuple[bool, bool]:
        is_detour = stage.path == Stage.Path.DETOUR
        return is_detour, is_detour and stage.kind == Stage.Kind.TERMINAL

    held = version.stages.exclude(kind=Stage.Kind.GATE).order_by("order")
    return sorted(held, key=place)


def members(version: Version) -> QuerySet[Membership]:
    """Everybody on the board: who is in a stage of the live version, or ended the pass in one of whatever version."""
    there = Membership.objects.filter(lifecycle=version.lifecycle_id, stage__isnull=False)
    withdrawn = Version.objects.filter(lifecycle=version.lifecycle_id, state=Version.State.WITHDRAWN)
    return there.exclude(version__in=withdrawn)  # few are looked up sooner than the version of each is


def cards_of(found: QuerySet[Membership], stage: Stage) -> QuerySet[Membership]:
    """Those of `found` that a column shows as cards, with what a card says."""
    whole = found.select_related("person__account", "person__owner", "account__owner")
    return whole.filter(stage=stage, ended_at=None)


def figures(found: QuerySet[Membership], of: str, *, narrowed: bool) -> dict[str, Figures]:
    """The figures of each stage with a member in `found`, by its slug, in one statement; `narrowed`: they are few by
    a filter."""
    text, params = found.order_by().values_list("pk", "subject_id", "stage_id").query.sql_with_params()
    told = dicts(
        sql(
            """
            WITH found AS {} (SELECT * FROM ({}) found (id, subject_id, stage_id)
            ), counted AS (  -- by number first: looking the slug up for each member costs as much as counting them
                SELECT g.slug AS stage, sum(each.count)::bigint AS count
                FROM (SELECT stage_id, count(*) AS count FROM found GROUP BY 1) each
                JOIN lifecycle_stage g ON g.id = each.stage_id GROUP BY 1
            ), held AS MATERIALIZED (
                SELECT g.slug AS stage, found.id, deal.deal_id, deal.amount, deal.is_ours
                FROM ({}) deal JOIN found USING (subject_id) JOIN lifecycle_stage g ON g.id = found.stage_id
            ), valued AS (
                SELECT stage, sum(amount) FILTER (WHERE is_ours) AS amount,
                       count(*) FILTER (WHERE is_ours) AS deals, count(*) FILTER (WHERE NOT is_ours) AS others
                FROM (SELECT DISTINCT stage, deal_id, amount, is_ours FROM held) once GROUP BY 1
            ), holders AS (SELECT stage, count(DISTINCT id) AS count FROM held GROUP BY 1)
            SELECT counted.stage, counted.count, coalesce(valued.amount, 0)::bigint AS amount,
                   coalesce(valued.deals, 0) AS deals, coalesce(valued.others, 0) AS others,
                   coalesce(holders.count, 0) AS with_deal
            FROM counted LEFT JOIN valued USING (stage) LEFT JOIN holders USING (stage)
            """,
            # What a filter has left is found once; everybody is counted faster than written down.
            Sql("MATERIALIZED" if narrowed else "NOT MATERIALIZED"),
            Sql(text, params),
            open_deals(of, installation.get("currency")),
        )
    )
    return {row.pop("stage"): Figures(**row) for row in told}


def columns(
    version: Version,
    found: QuerySet[Membership],
    *,
    sort: str,
    order: str,
    now: datetime,
    narrowed: bool = False,
    shown: bool = True,
) -> list[Column]:
    """The board of `found`, a set of `members`: figures in one statement, and the first cards of all columns in two.

    `order` names the list to the signed place where more cards begin; with `shown` false only figures are read.
    """
    of = version.lifecycle.of
    told = figures(found, of, narrowed=narrowed)
    made = [Column(stage, told.get(stage.slug, Figures())) for stage in stages_of(version)]
    if shown:
        _fill(made, found, of, sort, order, now)
    return made


def more(
    found: QuerySet[Membership], stage: Stage, *, of: str, sort: str, after: pages.Position, order: str, now: datetime
) -> tuple[list[Card], str]:
    """The next cards of one column, and where those behind them begin."""
    page = pages.page_of(cards_of(found, stage), sort=sort, size=FIRST, after=after)
    return drawn(page.rows, of, now), page.after.signed(order) if page.after else ""


def drawn(rows: Sequence[Membership], of: str, now: datetime) -> list[Card]:
    """Cards of memberships that `cards_of` gave; what other apps add is read for all of them at once."""
    zone = installation.zone()
    facts = _facts([row.subject_id for row in rows], of)
    today = now.astimezone(zone).date()
    return [_card(row, (today - row.entered_at.astimezone(zone).date()).days, facts, now) for row in rows]


def one(membership: Membership, now: datetime) -> Card:
    """The card of one member."""
    rows = Membership.objects.select_related("person__account", "person__owner", "account__owner", "stage")
    return drawn([rows.get(pk=membership.pk)], membership.lifecycle.of, now)[0]


def _fill(made: Iterable[Column], found: QuerySet[Membership], of: str, sort: str, order: str, now: datetime) -> None:
    """The first cards of every column."""
    wide = [column for column in made if not column.is_slim and column.figures.count]
    if not wide:
        return
    keys = _keys(found, wide, sort)
    asked = [pk for column in wide for pk in keys[column.stage.pk][:FIRST]]
    whole = Membership.objects.select_related("person__account", "person__owner", "account__owner")
    cards = {card.membership.pk: card for card in drawn(list(whole.filter(pk__in=asked)), of, now)}
    for column in wide:
        shown = [cards[pk] for pk in keys[column.stage.pk][:FIRST] if pk in cards]
        column.cards = sorted(
            shown, key=lambda card: (card.membership.entered_at, card.membership.pk), reverse=sort == NEWEST
        )
        if len(keys[column.stage.pk]) > FIRST and column.cards:
            last = column.cards[-1].membership
            column.more = pages.Position(last.entered_at, last.pk, len(column.cards)).signed(order)


def _keys(found: QuerySet[Membership], wide: list[Column], sort: str) -> dict[int, list[int]]:
    """The first members of each column and one more, in one statement.

    Of many, each column reads the few that it shows by the index on stage and time. Of few, as a filter leaves them,
    all are found once and numbered.
    """
    order = (sort, "-pk" if sort.startswith("-") else "pk")
    there = found.filter(ended_at=None)
    if sum(column.figures.count for column in wide) > FEW:
        branches = [there.filter(stage=column.stage).order_by(*order)[: FIRST + 1] for column in wide]
        pairs = [branch.values_list("pk", "stage_id") for branch in branches]
        read = pairs[0].union(*pairs[1:], all=True) if len(pairs) > 1 else pairs[0]
    else:
        number = Window(RowNumber(), partition_by="stage_id", order_by=order)
        wanted = there.filter(stage__in=[column.stage.pk for column in wide]).annotate(number=number)
        read = wanted.filter(number__lte=FIRST + 1).order_by("number").values_list("pk", "stage_id")
    keys: dict[int, list[int]] = defaultdict(list)
    for pk, stage_id in read:
        keys[stage_id].append(pk)
    return keys


def _card(row: Membership, days: int, facts: dict[int, list[tuple[Any, Any]]], now: datetime) -> Card:
    if row.person is not None:
        beside = str(row.person.account) if row.person.account else row.person.title
        owner = row.person.owner
    else:
        assert row.account is not None
        beside, owner = " · ".join(filter(None, [row.account.industry, row.account.country])), row.account.owner
    subject = row.subject
    assert subject is not None
    overdue = row.due_at is not None and row.due_at < now
    return Card(row, subject, beside, days, overdue, owner, facts.get(row.subject_id, []))


def _facts(subjects: Sequence[int], of: str) -> dict[int, list[tuple[Any, Any]]]:
    """What the columns that other apps put on cards say of each subject; one query, none without such a column."""
    extras = [extra for extra in listing.extras(of) if extra.on_card]
    if not extras or not subjects:
        return {}
    rows: QuerySet[Any] = (Person if of == "person" else Account)._default_manager.filter(pk__in=subjects)
    for extra in extras:
        rows = rows.annotate(**extra.annotations())
    return {row.pk: [fact for extra in extras if (fact := _fact(extra.column, row))[1]] for row in rows}


def _fact(column: pages.Column, row: Any) -> tuple[Any, Any]:
    """A column as a card says it: what a template draws in a list is too large here, its line of a file is not."""
    return column.label, column.of(row) if column.template else column.text(row)


def open_deals(of: str, currency: str, is_open: Sql = OPEN) -> Sql:
    """Open deals with each subject on them, whether their amount is in the installation's currency."""
    ours = sql("deal.currency IN ('', {})", currency)
    if of == "person":
        return sql(
            """SELECT role.person_id AS subject_id, deal.id AS deal_id, deal.amount, {} AS is_ours
               FROM audience_deal deal JOIN audience_dealrole role ON role.deal_id = deal.id
               WHERE {}""",
            ours,
            is_open,
        )
    return sql(
        """SELECT deal.account_id AS subject_id, deal.id AS deal_id, deal.amount, {} AS is_ours
           FROM audience_deal deal WHERE {} AND deal.account_id IS NOT NULL
           UNION
           SELECT deal.partner_id, deal.id, deal.amount, {}
           FROM audience_deal deal WHERE {} AND deal.partner_id IS NOT NULL""",
        ours,
        is_open,
        ours,
        is_open,
    )
