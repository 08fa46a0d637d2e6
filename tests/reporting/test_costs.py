"""What a stage cost by channel of entry: counted by hand, each figure opening what is behind it, and honest where none."""

from datetime import date
from decimal import Decimal

import pytest

from audience.activity import channels
from audience.commerce import costs as spending
from audience.commerce import rates
from reporting import costs, filling, plans
from reporting.figures import costs as figures
from reporting.questions import ask
from reporting.windows import Window
from tests.factories import activity, person
from tests.reporting.ledger import NOW, TODAY, lifecycle, on, walk
from tests.reporting.test_pages import page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
JANUARY = Window(date(2025, 1, 1), date(2025, 2, 1))


def spent(channel, first, over, euros, **more):
    told = {"channel": channel, "starts_on": first, "ends_on": over, "amount": euros * 100, "currency": "EUR"} | more
    return spending.add(told, by=None, now=NOW)


@pytest.fixture
def sales():
    """MQLs of January: two by search after 4 and 8 days, one by social, one by a visit alone, one of whom nothing is
    known; one of February by search, and a lead that went no further."""
    channels.ensure_defaults(NOW)
    made = lifecycle()
    walk(made, ("lead", 1), ("mql", 5), source="Paid Search")
    walk(made, ("lead", 1), ("mql", 9), ("sql", 10), source="ppc")
    walk(made, ("lead", 2), ("mql", 4), source="paid_social")
    visited = person()
    activity(visited, on(2), channel="webinar")
    activity(visited, on(1), channel="email", direction="outbound")
    walk(made, ("lead", 3), ("mql", 3), subject=visited)
    walk(made, ("lead", 3), ("mql", 6))
    walk(made, ("lead", 3), ("mql", 40), source="cpc")
    walk(made, ("lead", 3), source="cpc")
    spent("paid_search", date(2025, 1, 1), date(2025, 3, 1), 590)  # 31 of its 59 days are January's
    spent("paid_social", date(2025, 1, 10), date(2025, 1, 11), 50)
    spent("event", date(2025, 1, 10), date(2025, 1, 11), 100, currency="USD")
    spent("event", date(2025, 1, 12), date(2025, 1, 13), 70, currency="CHF")
    spent("", date(2025, 1, 10), date(2025, 1, 11), 30, campaign="Content")
    spent("paid_search", date(2024, 12, 1), date(2025, 1, 1), 999)
    rates.tell("USD", date(2025, 1, 9), Decimal("0.9"), by=None, now=NOW)
    filling.fill(made, now=NOW)
    return made


def asked(of, stage="mql", window=JANUARY):
    return costs.answer(ask(plans.read(of), window, TODAY).about(stage=stage))


def test_the_cost_of_each_is_as_counted_by_hand(sales):
    found = {each.slug: (each.cost.total, each.reached, each.each, each.lag) for each in asked(sales).channels}
    assert found == {
        "paid_search": (310_00, 2, 155_00, 6),
        "paid_social": (50_00, 1, 50_00, 2),
        "event": (90_00, 0, None, None),
        "webinar": (0, 1, None, 0),
        "": (30_00, 1, 30_00, 3),
    }
    whole = asked(sales).whole
    assert (whole.cost.total, whole.cost.apart, whole.reached, whole.each, whole.lag) == (480_00, 1, 5, 96_00, 3)
    assert asked(sales, "sql").whole.each == 480_00
    assert asked(sales, window=Window(date(2020, 1, 1), date(2020, 2, 1))).channels == ()


def test_every_figure_opens_as_many_rows_as_it_counts(sales, visitor):  # noqa: F811
    sheet = figures.sheet(asked(sales))
    lines = [*sheet.sections[0].table.lines, sheet.sections[0].table.sum]
    opened = [each for line in lines for each in line.figures if each.url]
    opened += [figure for _label, figure in sheet.headline if figure.url]
    assert len(opened) > 15
    for figure in opened:
        found = visitor.get(figure.url)
        assert found.context["total"].count == figure.count, (figure, found.context["total"])
        assert not found.context["notes"], found.context["notes"]


def test_the_page_says_what_is_not_known_and_answers_nonsense(sales, visitor):  # noqa: F811
    asked_for = {"stage": "mql", "from_": "2025-01-01", "to": "2025-02-01"}
    told = text(page(visitor, "report_costs", **asked_for)).replace("\xa0", " ")
    for words in (
        "Webinar no costs known", "1 row in CHF, 70.00 CHF, has no exchange rate", "Of this, 100.00 USD in 1 row",
        "Paid search 310.00 2 155.00",
    ):  # fmt: skip
        assert words in told, words
    for name in ("stage", "lifecycle", "from_", "to", "window", "channel"):
        for nonsense in ("\x00", "9" * 40, "x'", "9999-12-31"):
            page(visitor, "report_costs", **{name: nonsense})
