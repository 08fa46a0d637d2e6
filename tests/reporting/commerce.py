"""Contracts and purchases for tests of reports about money."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import Any

from audience.models import Account, Contract, ContractAmendment, Person, Purchase
from tests import factories

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
_number = itertools.count(1)


def of(subject: Account | Person) -> dict[str, Any]:
    """Whose a row is."""
    return {"account": subject} if isinstance(subject, Account) else {"person": subject}


def contract(
    subject: Account | Person, starts: date, value: int | None, ends: date | None = None, **more: Any
) -> Contract:
    """A contract with its annual value in euros."""
    return Contract.objects.create(
        starts_on=starts, annual_value=value and value * 100, ends_on=ends, recorded_at=NOW, source="tests",
        external_id=str(next(_number)), **of(subject), **{"currency": "EUR"} | more,
    )  # fmt: skip


def amended(whose: Contract, day: date, value: int) -> None:
    """A new annual value in euros from a day on."""
    ContractAmendment.objects.create(contract=whose, valid_from=day, annual_value=value * 100, recorded_at=NOW)


def bought(subject: Account | Person, day: date, amount: float, cost: float | None = None, **more: Any) -> Purchase:
    """A purchase in euros."""
    return Purchase.objects.create(
        occurred_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), amount=round(amount * 100),
        cost=None if cost is None else round(cost * 100), recorded_at=NOW, source="tests",
        external_id=str(next(_number)), **of(subject), **{"currency": "EUR"} | more,
    )  # fmt: skip


def firm(name: str, **values: Any) -> Account:
    """An account of this name."""
    return factories.account(name=name, **values)
