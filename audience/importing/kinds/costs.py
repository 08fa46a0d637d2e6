"""Rows that are costs: what a channel or a campaign cost, from a day to a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.activity import channels
from audience.importing import references, sourced
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, DATE, MONEY
from kit.sql import Sql, run, sql

TABLE = "audience_cost"
TARGETS = (
    Target("external_id", _("external id of the cost"), aliases=("cost id", "invoice number", "fivetran id")),
    references.OWN_SYSTEM,
    Target("channel", _("channel"), length=32, aliases=(
        "medium", "utm medium", "marketing channel", "platform", "source medium", "ad network type",
    )),
    Target("campaign", _("campaign"), aliases=("campaign name", "utm campaign", "campaign id")),
    Target("starts_on", _("first day"), DATE, aliases=(
        "date", "day", "first day", "from", "start", "start date", "starts", "date day", "month", "week",
        "period start",
    )),
    Target("last_day", _("last day"), DATE, aliases=("to", "until", "end", "end date", "period end")),
    Target("amount", _("amount"), MONEY, aliases=(
        "cost", "spend", "costs", "ad spend", "amount spent", "budget spent", "total cost", "price", "cost micros",
    )),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
)  # fmt: skip
BACKWARDS = gettext_noop("is before the first day")


def derive(work: Run) -> Sequence[Derived]:
    """The day on which the period is over; a row without a last day is about one day."""
    return [Derived("over_on", "date", sql("coalesce({}, r.starts_on) + 1", work.value("last_day")))]


def checks(work: Run) -> Sequence[Check]:
    return [Check(sql("{} < starts_on", work.value("last_day")), "last_day", BACKWARDS)]


def match(work: Run) -> None:
    """Which costs are there."""
    _spell(work)
    sourced.match(work, TABLE, _given(work), changed=sourced.differs(sourced.news(work, _given(work))))


def _spell(work: Run) -> None:
    """Each row's channel becomes the one that its spelling means."""
    if work.has("channel"):
        staged = work.table("rows")
        run(
            sql(
                """UPDATE {} r SET channel = meant.channel FROM ({}) meant
                   WHERE meant.value = r.channel AND meant.channel <> r.channel""",
                staged,
                channels.meaning(sql("SELECT channel FROM {}", staged), "channel"),
            )
        )


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    counts = sourced.count(work, after, last)
    given = _given(work)
    if counts["created"]:
        texts = {column: sourced.or_else(work.value(column), "") for column in ("channel", "campaign")}
        columns = given | texts | {"currency": sourced.currency_of(work, "amount")}
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, columns))
    if counts["updated"]:
        sourced.update(work, TABLE, after, last, given, sourced.news(work, given))
    return counts


def _given(work: Run) -> dict[str, Sql]:
    given = {"amount": Sql("r.amount"), "starts_on": Sql("r.starts_on"), "ends_on": Sql("r.over_on")}
    return given | {each: work.value(each) for each in ("channel", "campaign", "currency") if work.has(each)}


KIND = Kind(
    name="costs",
    label=_("Costs"),
    table=TABLE,
    help=_(
        "One row is what a channel or a campaign cost on a day, or from one day to another. A credit is below nothing."
    ),
    names=(
        "costs",
        "cost",
        "spend",
        "spendings",
        "ads",
        "budget",
    ),
    targets=TARGETS,
    needs=(
        Need(("channel", "campaign"), gettext_noop("The row names neither a channel nor a campaign.")),
        Need(("starts_on",), gettext_noop("The row has no date.")),
        Need(("amount",), gettext_noop("The row does not say what it cost.")),
    ),
    derive=derive,
    checks=checks,
    match=match,
    write=write,
    digest=True,
)
