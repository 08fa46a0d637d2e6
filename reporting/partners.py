"""What partners bring: where they stand, what they sourced, how soon the first deal comes, and who is stuck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from audience.commerce import rates
from kit import installation
from kit.sql import rows, sql, value
from kit.statistics import Counts, Share
from kit.survival import curve
from lifecycle.models import Lifecycle
from reporting import flows, metrics, plans
from reporting.metrics import age, first_deal, partner_wins, registration_conflicts, stalled
from reporting.money import MoneyQuestion, Of
from reporting.plans import Plan
from reporting.questions import Question


@dataclass
class Group:
    """Partners, some with a deal: days from approval to the first one and to the first win, and without one so far."""

    to_deal: list[int] = field(default_factory=list)
    to_win: list[int] = field(default_factory=list)
    still: list[int] = field(default_factory=list)

    @property
    def with_deal(self) -> Share:
        return Share(len(self.to_deal), len(self.to_deal) + len(self.still))

    @property
    def days(self) -> Counts:
        """Days to the first deal, of those with one."""
        return Counts((days, 1) for days in self.to_deal)

    @property
    def half_within(self) -> int | None:
        """Within how many days half have a deal; who has none counts for as long as it has been. None: not reached."""
        return curve({"deal": [(days, 1) for days in self.to_deal]}, [(days, 1) for days in self.still]).median

    def add(self, deal: int | None, win: int | None, lasted: int) -> None:
        if deal is None:
            self.still.append(lasted)
        else:
            self.to_deal.append(deal)
        if win is not None:
            self.to_win.append(win)


@dataclass(frozen=True)
class Partners:
    """The answer: `ages` and `stuck` by stage of one lifecycle at the end of the window, the rest of all partners."""

    question: MoneyQuestion
    of: Question
    ages: Mapping[str, Counts]
    stuck: Mapping[str, int]
    wins: Mapping[str, tuple[int, int]]  # by part: how many, and their amount
    groups: Mapping[str, Group]  # by part
    conflicts: int
    converted: rates.Sum  # by what exchange rates, and what has none

    def of_won(self, part: str) -> Share:
        """How many of the wins a part has."""
        return Share(self.wins[part][0], self.wins[partner_wins.WON][0])

    @property
    def top(self) -> Share:
        """What the partners that sourced the most have of all that was sourced."""
        return Share(self.wins[partner_wins.TOP][0], self.wins[partner_wins.SOURCED][0])


def lifecycles() -> list[tuple[Lifecycle, Plan]]:
    """The lifecycles of partners that can be told of."""
    found = [each for each in plans.readable() if each.species == Lifecycle.Species.PARTNER]
    return [(each, plan) for each in found if (plan := plans.read(each))]


def first_day(plan: Plan) -> date | None:
    """The day on which all time begins: of the first move of a partner, or of the first deal won."""
    first_won = "SELECT (min(closed_at) AT TIME ZONE {})::date FROM audience_deal WHERE status = 'won'"
    days = (flows.first_day(plan.lifecycle.pk), value(sql(first_won, str(installation.zone()))))
    return min((day for day in days if day), default=None)


def answer(question: MoneyQuestion, of: Question) -> Partners:
    """What partners brought in the window, and where those of one lifecycle stood at its end."""
    question = question.about(of=Of.ACCOUNTS)
    return Partners(
        question,
        of,
        age.by_stage(of),
        stalled.by_stage(of),
        metrics.CUSTOMERS["partner_wins"].sums(question),
        _groups(question),
        metrics.CUSTOMERS["registration_conflicts"].sums(question)[registration_conflicts.ALL][0],
        rates.added(partner_wins.amounts(question), question.currency),
    )


def _groups(question: MoneyQuestion) -> dict[str, Group]:
    groups = {part: Group() for part in (first_deal.QUICK, first_deal.OTHERS, first_deal.EARLY, first_deal.ALL)}
    told = sql("SELECT part, deal_days, won_days, lasted FROM ({}) told", first_deal.relation(question))
    for part, deal, win, lasted in rows(told):
        for each in (part, first_deal.ALL):
            groups[each].add(deal, win, lasted)
    return groups
