"""What reports about customers and money are asked: which days, whose money, in which currency, counted by what.

A customer is an account, with the contracts and purchases of its people; or a person who belongs to no account. Amounts
in another currency than the one asked for are converted at the exchange rate of their own day; those without one are in
no figure, and their number is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.commerce import pipelines
from audience.models import Pipeline
from kit import installation
from kit.sql import Sql, rows, sql
from reporting import windows
from reporting.windows import Preset, Window

TOP = 20  # per cent of the customers, the largest
TOPS = (1, 5, 10, 20, 50)
PARAMETERS = ("metric", "part", "window", "was", "from", "to", "of", "basis", "currency", "top", "pipeline")


class Of(models.TextChoices):
    """Who the customers are."""

    ACCOUNTS = "account", gettext_lazy("Accounts")
    PEOPLE = "person", gettext_lazy("People without an account")


class Basis(models.TextChoices):
    """By what customers are ranked."""

    MARGIN = "margin", gettext_lazy("Margin of purchases")
    REVENUE = "revenue", gettext_lazy("Revenue of purchases")
    RECURRING = "recurring", gettext_lazy("Annual value of contracts at the end")


@dataclass(frozen=True)
class MoneyQuestion:
    """A window, whose money in which currency; `basis` and `top` (per cent) for concentration, `pipeline` for deals
    (None: of all). `today` is the local day of asking."""

    window: Window
    today: date
    currency: str
    of: str = Of.ACCOUNTS
    basis: str = Basis.MARGIN
    top: int = TOP
    pipeline: Pipeline | None = None

    @property
    def zone(self) -> str:
        """The zone whose days are counted."""
        return str(installation.zone())

    def about(self, **changes: object) -> MoneyQuestion:
        """The same question about something else."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def customer(self, alias: str) -> Sql:
        """The customer's id of a row with `account_id` and `person_id`, its person joined as `buyer`; NULL when it is
        none of those asked for."""
        if self.of == Of.PEOPLE:
            return Sql(f"CASE WHEN {alias}.account_id IS NULL AND buyer.account_id IS NULL THEN {alias}.person_id END")
        return Sql(f"COALESCE({alias}.account_id, buyer.account_id)")

    def sold_in(self, alias: str) -> Sql:
        """That a deal is in the pipeline asked for; those that name none are in the first one."""
        if self.pipeline is None:
            return Sql("true")
        first = pipelines.first()
        usual = first.name if first else ""
        return sql("coalesce(nullif({}, ''), {}) = {}", Sql(f"{alias}.pipeline"), usual, self.pipeline.name)

    def counted(self, customer: Sql) -> Sql:
        """That the customer is in figures: known, and not left out."""
        table = Sql("audience_person" if self.of == Of.PEOPLE else "audience_account")
        return sql("EXISTS (SELECT FROM {} whose WHERE whose.id = {} AND NOT whose.is_excluded)", table, customer)


@dataclass(frozen=True)
class Asked:
    """What an address asks, the window's name if it is a preset, and notes on what was not understood."""

    question: MoneyQuestion
    preset: str
    notes: tuple[str, ...] = ()


def read(given: Mapping[str, str], today: date, *, first: date | None = None) -> Asked:
    """The question of an address; the last 365 days unless it says otherwise. All time begins on `first`, else with the
    first contract or purchase. Never fails."""
    texts = {name: given.get(name, "").replace("\x00", "").strip() for name in PARAMETERS}
    if not (texts["window"] or texts["from"] or texts["to"]):
        texts["window"] = Preset.LAST_365.value
    notes: list[str] = []

    def choose(name: str, known: list[str], usual: str) -> str:
        if texts[name] and texts[name] not in known:
            words = _("“%(text)s” is not understood here; there are: %(known)s.")
            notes.append(words % {"text": texts[name][:40], "known": ", ".join(known)})
        return texts[name] if texts[name] in known else usual

    wish = windows.wish(texts, first=first or _first_day() or today, today=today)
    own = str(installation.get("currency"))
    question = MoneyQuestion(
        window=wish.window,
        today=today,
        currency=choose("currency", [own, *(each for each in currencies() if each != own)], own),
        of=choose("of", Of.values, Of.ACCOUNTS),
        top=int(choose("top", [str(top) for top in TOPS], str(TOP))),
    )
    if number := texts["pipeline"]:
        known = number.isascii() and number.isdigit() and len(number) < 19
        question = question.about(pipeline=Pipeline.objects.filter(pk=int(number)).first() if known else None)
        if question.pipeline is None:
            notes.append(_("There is no such pipeline; these are all."))
    basis = choose("basis", Basis.values, "")
    return Asked(question.about(basis=basis or _usual_basis(question)), wish.preset, (*wish.notes, *notes))


def page(name: str, question: MoneyQuestion, **more: str) -> str:
    """The address of a page that asks this question. Its window is in days, so that it means the same tomorrow."""
    given = {
        "from": question.window.start.isoformat(),
        "to": question.window.end.isoformat(),
        "of": question.of if question.of != Of.ACCOUNTS else "",
        "basis": question.basis,
        "currency": question.currency,
        "top": str(question.top) if question.top != TOP else "",
        "pipeline": str(question.pipeline.pk) if question.pipeline else "",
        **more,
    }
    return f"{reverse(name)}?{urlencode({key: value for key, value in given.items() if value})}"


def currencies() -> list[str]:
    """The currencies in which there are contracts or purchases."""
    statement = Sql(
        """SELECT currency FROM audience_contract WHERE currency <> '' UNION
           SELECT currency FROM audience_purchase WHERE currency <> '' ORDER BY 1"""
    )
    return [currency for (currency,) in rows(statement)]


def _first_day() -> date | None:
    zone = str(installation.zone())
    statement = sql(
        """SELECT least((SELECT min(starts_on) FROM audience_contract),
                        (SELECT (min(occurred_at) AT TIME ZONE {})::date FROM audience_purchase))""",
        zone,
    )
    [(first,)] = rows(statement)
    return first


def _usual_basis(question: MoneyQuestion) -> str:
    """Margin where a cost is known, else revenue; contracts where nothing was bought."""
    statement = sql(
        """SELECT EXISTS (SELECT FROM audience_purchase WHERE cost IS NOT NULL AND currency = {}),
                  EXISTS (SELECT FROM audience_purchase WHERE currency = {})""",
        question.currency,
        question.currency,
    )
    [(has_cost, has_purchase)] = rows(statement)
    if has_cost:
        return Basis.MARGIN
    return Basis.REVENUE if has_purchase else Basis.RECURRING
