"""The pages of reports about customers and their money: retention, concentration, and the customers behind a figure."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import BigIntegerField, DateField, Field, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST
from django_filters import FilterSet

from audience.models import Account, Contract, Deal, Person
from audience.subjects import sight
from kit import audit, exports, installation, money, pages, rights
from kit.sql import rows, sql
from reporting import behind, filters, forms, metrics
from reporting import concentration as concentrations
from reporting import funnel as funnels
from reporting import money as asking_money
from reporting import notes as notes_of
from reporting import retention as retentions
from reporting.figures import concentration as concentration_figures
from reporting.figures import retention as retention_figures
from reporting.figures.sheet import Choice
from reporting.metrics.metric import NO_AMOUNT
from reporting.money import TOPS, Asked, Basis, MoneyQuestion, Of
from reporting.views import asking

REPORTS = {
    "report_retention": gettext_lazy("Retention"),
    "report_concentration": gettext_lazy("Concentration"),
    "report_partners": gettext_lazy("Partners"),
}


@require_GET
def retention(request: HttpRequest) -> HttpResponseBase:
    """Recurring revenue from the start of a window to its end; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    asked = asking_money.read(request.GET, funnels.today(now))
    answer = retentions.answer(asked.question)
    if exports.wanted(request):
        heads, lines = retention_figures.as_rows(answer)
        return exports.download(request, "retention", heads, lines, count=len(lines), now=now)
    context = {
        "title": _("Retention"),
        "purpose": _(
            "What recurring revenue stayed, shrank, left and grew. Every number opens the customers behind it."
        ),
        "notes": asked.notes,
        "chart_notes": notes_of.within(asked.question.window),
        **_form("report_retention", asked, _currencies(asked.question)),
        "pars": forms.Pars(initial=_pars()) if rights.may(request.user, "edit") else None,
        "here": request.get_full_path(),
    }
    return asking.report(request, retention_figures.sheet(answer), context)


@require_GET
def concentration(request: HttpRequest) -> HttpResponseBase:
    """How much of the money comes from how few; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    asked = asking_money.read(request.GET, funnels.today(now))
    answer = concentrations.answer(asked.question)
    if exports.wanted(request):
        heads, lines = concentration_figures.as_rows(answer)
        return exports.download(request, "concentration", heads, lines, count=len(lines), now=now)
    question = asked.question
    basis = Choice("basis", _("By"), [(str(value), str(label)) for value, label in Basis.choices], question.basis)
    tops = [(str(top), _("top %(percent)s %%") % {"percent": top}) for top in TOPS]
    context = {
        "title": _("Concentration"),
        "purpose": _("How much of the money comes from how few customers. Every number opens the customers behind it."),
        "notes": asked.notes,
        **_form("report_concentration", asked, basis, Choice("top", _("Share of"), tops, str(question.top)),
                _currencies(question)),
    }  # fmt: skip
    return asking.report(request, concentration_figures.sheet(answer), context)


@require_POST
@rights.needs("edit")
def pars(request: HttpRequest) -> HttpResponse:
    """Keep what GRR and NRR are held against."""
    form = forms.Pars(request.POST)
    if form.is_valid():
        installation.change(form.cleaned_data, by=audit.asker(request), now=timezone.now(), action="reports.pars")
        messages.success(request, _("The pars are kept."))
    else:
        messages.error(request, _("Not kept: a par is a number of per cent from 1 to 300."))
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(wanted)
    return redirect("report_retention")


def _pars() -> dict[str, int]:
    return {name: installation.get(name) for name in forms.Pars.base_fields}


def _form(name: str, asked: Asked, *more: Choice) -> dict[str, Any]:
    question = asked.question
    of = Choice("of", _("Customers"), [(str(value), str(label)) for value, label in Of.choices], question.of)
    export = asking_money.page(name, question, export="csv")
    return asking.form(name, asked.preset, question.window, [of], [choice for choice in more if choice.options], export)


def _currencies(question: MoneyQuestion) -> Choice:
    """The currencies there are, where there is a choice."""
    known = sorted({question.currency, installation.get("currency"), *asking_money.currencies()})
    return Choice(
        "currency", _("Currency"), [(each, each) for each in known] if len(known) > 1 else [], question.currency
    )


# ---- the customers behind a figure ----


class Customers(pages.ListPage):
    """The customers, contracts, deals or partners that one figure counts, with their amounts."""

    template_name = "reporting/customers.html"
    counted = ngettext_lazy("%(shown)s row", "%(shown)s rows", "count")
    empty_title = gettext_lazy("Nobody")
    empty_text = gettext_lazy("The figure is 0: nobody is behind it in this time span.")
    empty_icon = "users"
    file_name = "customers"
    parameters = asking_money.PARAMETERS

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name, self.part = request.GET.get("metric", ""), request.GET.get("part", "")
        metric = metrics.CUSTOMERS.get(name)
        if metric is None or self.part not in metric.parts:
            reason = _("There is no figure called “%(name)s”.") % {"name": f"{name} {self.part}"[:40].strip()}
            context = {"reason": reason, "title": _("No such figure")}
            return render(request, "reporting/people_unknown.html", context, status=404)
        self.metric = metric
        self.asked = asking_money.read(request.GET, funnels.today(timezone.now()))
        question = self.asked.question
        self.told = rows(
            sql(
                "SELECT id, {} FROM ({}) told ORDER BY id",
                sql(", ".join(column.name for column in metric.columns)),
                metric.rows(question, self.part),
            )
        )
        model = behind.model(metric, question)
        self.queryset = model._default_manager.all()
        self.filterset_class = FILTERS[model]
        self.names = self._names()
        self.columns = (
            pages.Column("name", _("Name"), value=_name, template="reporting/_customer.html", whole=True),
            *(self._column(column) for column in metric.columns),
        )
        by = next((each.name for each in reversed(metric.columns) if each.kind == "money"), metric.columns[0].name)
        self.default_sort = f"-told_{by}"
        return super().get(request, *args, **kwargs)

    def rows(self) -> QuerySet[Any]:
        """The rows with their amounts: found by binary search in arrays, as they come from no table."""
        ids = [row[0] for row in self.told]
        found = self.queryset.filter(pk__in=ids)
        place = f"width_bucket({self.queryset.model._meta.db_table}.id, %s::bigint[])"
        for number, column in enumerate(self.metric.columns, 1):
            of, field = KINDS[column.kind]
            told = RawSQL(  # noqa: S611 - values are bound
                f"(%s::{of}[])[{place}]", ([row[number] for row in self.told], ids), output_field=field
            )
            found = found.annotate(**{f"told_{column.name}": told})
        if self.queryset.model is Contract:
            found = found.select_related("account", "person")
        return found

    def _names(self) -> dict[int, str]:
        """What the accounts are called that columns name, of those that whoever asks sees."""
        places = [number for number, column in enumerate(self.metric.columns, 1) if column.kind == "account"]
        ids = {row[place] for row in self.told for place in places if row[place]}
        known = sight.sees(self.request.user, ids)
        return {each.pk: str(each) for each in Account.objects.filter(pk__in=known)}

    def seen(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return behind.seen(rows, self.request.user)

    def get_title(self) -> str:
        return f"{self.metric.label}: {self.metric.parts[self.part].label}"

    def context(self) -> dict[str, Any]:
        question, metric = self.asked.question, self.metric
        sums = metric.sums(question)
        parts = [
            {
                "label": part.label,
                "count": sums[name][0],
                "amount": "" if part.amount == NO_AMOUNT else money.written(sums[name][1], question.currency),
                "url": asking_money.page("report_customers", question, metric=metric.name, part=name),
                "current": name == self.part,
            }
            for name, part in metric.parts.items()
        ]
        words = str(question.window)
        if metric.unit in ("customer", "contract"):
            of = {"window": words, "currency": question.currency, "of": Of(question.of).label}
            words = _("%(window)s, %(currency)s, %(of)s") % of
        report = (str(REPORTS[metric.report]), asking_money.page(metric.report, question))
        return {
            "purpose": words,
            "crumbs": [(_("Reports"), ""), report, (self.get_title(), "")],
            "metric": metric,
            "count": len(self.told),
            "parts": parts,
        }

    def _column(self, column: metrics.metric.Column) -> pages.Column:
        currency = self.asked.question.currency
        name = f"told_{column.name}"

        def shown(row: Any) -> Any:
            told = getattr(row, name)
            if column.kind == "account":
                return self.names.get(told, "")
            return money.written(told, currency) if column.kind == "money" else told

        def plain(row: Any) -> Any:
            told = getattr(row, name)
            return money.major(told, currency) if column.kind == "money" and told is not None else shown(row)

        align = "start" if column.kind == "account" else "end"
        return pages.Column(
            name, column.label, sort=name, value=shown, export=plain, align=align, desc_first=column.kind == "money"
        )

    def _misunderstood(self, filterset: FilterSet | None) -> list[str]:
        return [*self.asked.notes, *super()._misunderstood(filterset)]


KINDS: dict[str, tuple[str, Field[Any, Any]]] = {
    "money": ("bigint", BigIntegerField()),
    "number": ("bigint", BigIntegerField()),
    "account": ("bigint", BigIntegerField()),
    "date": ("date", DateField()),
}
FILTERS: dict[Any, type[FilterSet]] = {
    Contract: filters.Contracts, Person: filters.People, Account: filters.Accounts, Deal: filters.Deals,
}  # fmt: skip


def _name(row: Any) -> str:
    if isinstance(row, Contract):
        return f"{row.account or row.person} {row}"
    return str(row)
