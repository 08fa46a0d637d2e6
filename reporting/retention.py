"""Recurring revenue over a window: from the annual value at its start to that at its end, and renewals."""

from __future__ import annotations

from dataclasses import dataclass

from audience.commerce import rates
from kit import installation
from kit.statistics import Share
from reporting import metrics
from reporting.metrics import recurring, renewals
from reporting.money import MoneyQuestion

Sums = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Retention:
    """Sums by part of the two metrics: how many, and minor units of the question's currency."""

    question: MoneyQuestion
    recurring: Sums
    renewals: Sums
    converted: rates.Sum  # by what exchange rates, and which contracts have none
    pars: tuple[float, float]  # of GRR and NRR, as shares of one

    @property
    def start(self) -> int:
        return self.recurring[recurring.START][1]

    @property
    def grr(self) -> float | None:
        """Gross revenue retention; None without a start."""
        lost = self.recurring[recurring.CHURN][1] + self.recurring[recurring.CONTRACTION][1]
        return (self.start - lost) / self.start if self.start else None

    @property
    def nrr(self) -> float | None:
        """Net revenue retention; None without a start."""
        grown = self.recurring[recurring.EXPANSION][1]
        return (self.grr or 0) + grown / self.start if self.start else None

    @property
    def logo_churn(self) -> Share:
        return Share(self.recurring[recurring.CHURN][0], self.recurring[recurring.START][0])

    @property
    def renewed(self) -> Share:
        """Of the contracts of which it is decided."""
        return Share(self.renewals[renewals.RENEWED][0], self.renewals[renewals.DECIDED][0])

    @property
    def renewed_by_value(self) -> float | None:
        due = self.renewals[renewals.DECIDED][1]
        return self.renewals[renewals.RENEWED][1] / due if due else None


def answer(question: MoneyQuestion) -> Retention:
    """The retention that a question asks for."""
    pars = (installation.get("grr_par") / 100, installation.get("nrr_par") / 100)
    return Retention(
        question,
        metrics.CUSTOMERS["recurring"].sums(question),
        metrics.CUSTOMERS["renewals"].sums(question),
        rates.added(recurring.agreed(question, since=question.window.start), question.currency),
        pars,
    )
