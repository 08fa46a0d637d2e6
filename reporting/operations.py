"""What reporting tells those who operate an installation: whether the ledger balances, and when it was last checked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from prometheus_client import Metric

from kit import metrics, periodic, writing
from kit.troubles import Trouble, register
from reporting import filling, integrity
from reporting.models import LedgerCheck


def figures(now: datetime) -> Iterable[Metric]:
    """The last check of each lifecycle's ledger."""
    found = newest()
    wrong = {each.lifecycle.slug: each.found for each in found}
    yield metrics.gauge("ledger_findings", "What the last check found wrong", label="lifecycle", of=wrong)
    ages = {each.lifecycle.slug: (now - each.checked_at).total_seconds() for each in found}
    yield metrics.gauge("ledger_check_age_seconds", "Since the last check", label="lifecycle", of=ages)


def troubles(_now: datetime) -> Iterable[Trouble]:
    """Ledgers that do not balance."""
    for each in newest():
        if each.found:
            said = ngettext(
                "The ledger of “%(lifecycle)s” does not balance: %(number)s thing is wrong.",
                "The ledger of “%(lifecycle)s” does not balance: %(number)s things are wrong.",
                each.found,
            )
            told = {"lifecycle": each.lifecycle, "number": writing.number(each.found)}
            yield Trouble(said % told, reverse("ledger"), _("Ledger"))


def newest() -> list[LedgerCheck]:
    """The last check of each lifecycle."""
    found = LedgerCheck.objects.order_by("lifecycle", "-checked_at").distinct("lifecycle")
    return list(found.select_related("lifecycle").defer("findings"))


def register_all() -> None:
    """Name what reporting has to tell; `AppConfig.ready` calls it."""
    metrics.register("reporting", figures)
    register(troubles)
    periodic.register(
        "fill_reports",
        gettext_lazy("Figures of reports"),
        gettext_lazy("What moved since is counted."),
        task="reporting.tasks.fill_reports",
        every=timedelta(seconds=30),
        run=filling.fill_all,
    )
    periodic.register(
        "check_ledgers",
        gettext_lazy("Ledger check"),
        gettext_lazy("Memberships, movements and the figures of reports are compared."),
        task="reporting.tasks.check_ledgers",
        every=timedelta(days=1),
        run=integrity.run_all,
    )
