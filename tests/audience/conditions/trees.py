"""Random conditions for property tests: every field of the small world, every operator, nested."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.audience.conditions.world import CHANNELS, COUNTRIES, KINDS, STAGES, TAGS

TEXTS = st.sampled_from([*(each for each in COUNTRIES if each), "Director", "engineer", "sales", "Software", "S"])
DATES = st.sampled_from(["2025-02-10", "2025-03-30", "2025-03-31", "2025-05-05", "2025-06-01"])
EARLY, LATE = st.sampled_from(["2025-02-10", "2025-03-30", "2025-03-31"]), st.sampled_from(["2025-03-31", "2025-05-05"])
INSTANTS = DATES | st.sampled_from(["2025-03-30T01:30:00+01:00", "2025-04-15T10:00:00Z"])
LIMITS = ("met", "missed", "past_due")
DAYS = st.sampled_from([0, 1, 2, 7, 30, 60, 90])

OPERANDS: dict[str, dict[str, Any]] = {
    "text": dict.fromkeys(["is", "is_not", "contains", "starts_with"], TEXTS)
    | dict.fromkeys(["in", "not_in"], st.lists(TEXTS, min_size=1, max_size=3)),
    "number": dict.fromkeys(
        ["at_least", "at_most", "more_than", "less_than", "equals"], st.sampled_from([-1, 0, 1, 2, 3, 7, 7.5, 50, 100])
    )
    | {"between": st.sampled_from([[0, 1], [1, 3], [7, 7.5], [10, 100]])},
    "money": dict.fromkeys(
        ["at_least", "at_most", "more_than", "less_than", "equals"], st.sampled_from([0, 500, 12_000, 100_000])
    )
    | {"between": st.just([500, 13_000])},
    "date": dict.fromkeys(["before", "on_or_after"], DATES)
    | dict.fromkeys(["days_ago_at_least", "days_ago_at_most", "within_next_days"], DAYS),
    "instant": dict.fromkeys(["before", "on_or_after"], INSTANTS)
    | dict.fromkeys(["days_ago_at_least", "days_ago_at_most", "within_next_days"], DAYS),
    "yes_no": {"is": st.booleans()},
    "stage": {"is": st.sampled_from(STAGES), "is_not": st.sampled_from(STAGES)}
    | dict.fromkeys(["in", "not_in"], st.lists(st.sampled_from(STAGES), min_size=1, max_size=2)),
    "set": {"is": st.sampled_from(TAGS), "in": st.lists(st.sampled_from(TAGS), min_size=1, max_size=2)},
    "limit": {"is": st.sampled_from(LIMITS), "in": st.lists(st.sampled_from(LIMITS), min_size=1, max_size=2)},
    "ever": {"is": st.sampled_from(STAGES), "in": st.lists(st.sampled_from(STAGES), min_size=1, max_size=2)},
}
PERSON = {
    "person.country": "text",
    "person.title": "text",
    "person.has_account": "yes_no",
    "person.in_account": "yes_no",
    "consent.offers": "yes_no",
    "person.created": "instant",
    "person.tag": "set",
    "person.custom.points": "number",
    "person.custom.renews": "date",
    "person.custom.is_vip": "yes_no",
    "stage.net_new": "stage",
    "stage.net_new.ever": "ever",
    "stage.net_new.days_in": "number",
    "stage.net_new.limit": "limit",
    "stage.net_new.hours_over": "number",
}
BOTH = {
    "account.country": "text",
    "account.industry": "text",
    "account.employees": "number",
    "account.created": "instant",
    "account.tag": "set",
    "account.custom.points": "number",
    "activity.count": "number",
    "activity.sum": "number",
    "activity.days_since_last": "number",
    "activity.first": "instant",
    "activity.last": "instant",
    "purchase.count": "number",
    "purchase.sum": "money",
    "purchase.first": "instant",
    "purchase.last": "instant",
    "deal.count": "number",
    "deal.amount": "money",
    "activity.change": "number",
    "contract.count": "number",
    "contract.annual_value": "money",
    "contract.renews": "date",
    "contract.notice": "date",
    "contract.began": "date",
    "contract.ended": "date",
    "contract.term_ends": "date",
    "contract.ending": "date",
    "contract.renewed": "number",
    "contract.lapsed": "number",
}
ACCOUNT = {"account.people": "number"}
WHO = {"person.in_account": "account", "account.people": "person"}
NEVER_EMPTY = (
    "person.created",
    "person.has_account",
    "person.in_account",
    "account.people",
    "activity.change",
    "contract.count",
    "contract.annual_value",
    "contract.renewed",
    "contract.lapsed",
    "activity.count",
    "activity.sum",
    "purchase.count",
    "purchase.sum",
    "deal.count",
    "deal.amount",
)
ACTIVITY_WHERE = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True),
        "channel": st.sampled_from(CHANNELS),
        "actor": st.sampled_from(["human", "bot", ["unknown", "proxy"]]),
        "properties.topic": st.just("price"),
        "since": EARLY,
        "until": LATE,
    },
)
DEAL_WHERE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["open", "won", "lost", ["won", "lost"]]),
        "pipeline": st.just("new"),
        "stage": st.sampled_from(["offer", "talks", "done"]),
        "since": EARLY,
        "until": LATE,
    },
)


@st.composite
def _leaf(draw: st.DrawFn, fields: dict[str, str]) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(fields)))
    operands = dict(OPERANDS[fields[name]])
    if name not in NEVER_EMPTY and fields[name] not in ("ever", "limit"):
        operands |= {"empty": st.none(), "not_empty": st.none()}
    operator = draw(st.sampled_from(sorted(operands)))
    leaf: dict[str, Any] = {"field": name, "op": operator}
    operand = draw(operands[operator])
    if operand is not None:
        leaf["value"] = operand
    if name.startswith("activity."):
        leaf["where"] = draw(ACTIVITY_WHERE)
    if name.startswith("purchase."):
        leaf["where"] = draw(st.fixed_dictionaries({}, optional={"since": EARLY, "until": LATE}))
    if name.startswith("deal."):
        leaf["where"] = draw(DEAL_WHERE)
    if name.startswith(("activity.", "deal.", "purchase.", "contract.renewed", "contract.lapsed")):
        leaf["days"] = draw(
            st.sampled_from([1, 7, 30, 90] if name == "activity.change" else [None, None, 1, 7, 30, 90])
        )
    if name in WHO and draw(st.booleans()):
        leaf["who"] = draw(_within(WHO[name]))
    return leaf


def _within(of: str) -> st.SearchStrategy[Any]:
    """A condition about others, in which no others are asked for."""
    fields = {name: type for name, type in _fields(of).items() if name not in WHO}
    return st.lists(_leaf(fields), min_size=1, max_size=2).map(lambda some: {"all": some}) | _leaf(fields).map(
        lambda one: {"not": one}
    )


def _fields(of: str) -> dict[str, str]:
    return BOTH | (PERSON if of == "person" else ACCOUNT)


def leaves(of: str) -> st.SearchStrategy[Any]:
    """One question about people or accounts."""
    return _leaf(_fields(of))


def trees(of: str) -> st.SearchStrategy[Any]:
    """A condition as JSON, of one to a dozen leaves."""
    return st.recursive(
        leaves(of),
        lambda parts: (
            st.lists(parts, max_size=3).map(lambda some: {"all": some})
            | st.lists(parts, min_size=1, max_size=3).map(lambda some: {"any": some})
            | parts.map(lambda one: {"not": one})
        ),
        max_leaves=12,
    )


def several(of: str, most: int = 12) -> st.SearchStrategy[list[Any]]:
    """Questions, and a few conditions made of them, to be asked together."""
    return st.lists(leaves(of) | leaves(of) | trees(of), min_size=1, max_size=most)
