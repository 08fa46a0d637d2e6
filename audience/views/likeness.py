"""Pages of best customers and look-alikes: what stands out, who is like them and why, and how well that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import FloatField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import segments
from audience.likeness import asking, checking, customers, profile, ranking, traits
from audience.likeness.asking import Asked, Question
from audience.likeness.ranking import Alike
from audience.models import Account, Person, Segment
from audience.subjects import names, querysets, sight
from audience.views import narrowed
from audience.views.readiness import capital
from audience.views.segments import cannot
from kit import audit, exports, pages, reading, rights, writing
from kit.sql import Sql, sql
from kit.statistics import Share

PATIENCE = 20.0  # seconds; everybody is compared
BEST, ALL = "best", "all"
CELL = ("who", "trait", "value")


@require_GET
def best_customers(request: HttpRequest) -> HttpResponseBase:
    """Which values the best customers have more often than everybody; as a page, or as a file."""
    now = timezone.now()
    asked = asking.read(request.GET, now)
    try:
        with reading.only(PATIENCE):
            told = profile.answer(asked.question)
    except segments.FAULTS as fault:
        return _cannot(request, _("Best customers"), fault)
    if exports.wanted(request):
        lines = [_line(each) for part in told.parts for each in part.values]
        return exports.download(request, "best-customers", HEADS, lines, count=len(lines), now=now)
    context = {
        "title": _("Best customers"),
        "profile": told,
        "outstanding": [_row(each) for each in told.outstanding],
        "parts": [
            (capital(part.trait.label), [_row(each) for each in part.shown], _rest(part))
            for part in told.parts
            if part.is_known
        ],
        "unknown": [capital(part.trait.label) for part in told.parts if not part.is_known],
        "doors": {who: _cell(asked.question, who) for who in (BEST, ALL)},
        "look_alikes": asked.question.address("look_alikes"),
        "least": profile.LEAST,
        **_form(request, asked, "best_customers"),
    }
    return render(request, "audience/best_customers.html", context)


HEADS = ["trait", "value", "best", "of best", "everybody", "of everybody", "lift", "stands out"]


def _line(each: profile.Value) -> list[Any]:
    lift = None if each.lift is None else round(each.lift, 3)
    best, everybody = each.best, each.everybody
    return [str(each.trait.label), each.label, best.hits, best.of, everybody.hits, everybody.of, lift,
            each.stands_out]  # fmt: skip


def _row(each: profile.Value) -> dict[str, Any]:
    interval = each.difference.interval
    return {
        "value": each,
        "trait": capital(each.trait.label),
        "who": f"trait={each.trait.name}",
        "difference": _points(each.difference.value),
        "span": f"{_points(interval.low)} … {_points(interval.high)}" if interval else "",
        "lift": _times(each.lift),
    }


def _rest(part: profile.Part) -> dict[str, Any] | None:
    """The values that the page does not name, together."""
    if part.rest is None:
        return None
    best, others = part.rest
    return {"number": len(part.left), "best": best, "everybody": Share(best.hits + others.hits, best.of + others.of)}


def _points(value: float | None) -> str:
    """A difference of shares in points, with its sign."""
    if value is None:
        return writing.NOTHING
    return ("+" if value >= 0 else "−") + writing.number(abs(value) * 100, 1)


def _times(lift: float | None) -> str:
    return writing.NOTHING if lift is None else f"×{writing.number(lift, 1 if lift < 10 else 0)}"


def _cell(question: Question, who: str, **more: str) -> str:
    return question.address("best_customers_list", who=who, **more)


@require_http_methods(["GET", "POST"])
def best_customers_list(request: HttpRequest) -> HttpResponseBase:
    """Those whom one figure of best customers counts."""
    question = asking.read(request.GET, timezone.now()).question
    try:
        members, title = _members(request.GET.dict(), question)
    except segments.FAULTS as fault:
        return _cannot(request, _("Best customers"), fault)
    parameters = (*asking.PARAMETERS, *CELL)
    shown = narrowed.Narrowed(
        members=members,
        title=title,
        purpose=_("Whom the figure counts."),
        crumbs=[(_("Data"), ""), (_("Best customers"), question.address("best_customers"))],
        back=question.address("best_customers"),
        keep_url=reverse("best_customers_segment"),
        keep_words=_("Keep as segment"),
        file_name="best-customers",
        parameters=parameters,
        kept={name: request.GET[name] for name in parameters if request.GET.get(name)},
    )
    return narrowed.answer(request, question.of, shown)


def _members(given: Mapping[str, Any], question: Question) -> tuple[Sql, str]:
    """The statement of those whom a figure counts, and what they are called."""
    best = given.get("who") != ALL
    title = best_words(question) if best else _("Everybody")
    known = {each.name: each for each in traits.of(question.of)}
    trait = known.get(given.get("trait", ""))
    value = given.get("value", "").replace("\x00", "")
    members = traits.values([trait] if trait else list(known.values())[:1], question.of, question.at)
    which = sql("v.t0 = {}", value) if trait else Sql("true")
    if best:
        which = sql("{} AND v.subject_id IN ({})", which, customers.best(question))
    if trait:
        title = f"{title} · {capital(trait.label)}: {trait.shown(value)}"
    return sql("SELECT v.subject_id FROM ({}) v WHERE {}", members, which), title


@require_POST
@rights.needs("edit")
def best_customers_segment(request: HttpRequest) -> HttpResponse:
    """Keep those whom a figure counts as a fixed list."""
    question = asking.read(request.POST.dict(), timezone.now()).question
    members, title = _members(request.POST.dict(), question)
    return _keep(request, title, question, members)


# ---- look-alikes ----


class LookAlikes(pages.ListPage):
    """Those who are no customers yet, the most like the best customers first, each with the reasons."""

    template_name = "audience/look_alikes.html"
    title = gettext_lazy("Look-alikes")
    crumbs = ((gettext_lazy("Data"), ""),)
    counted = ngettext_lazy("%(shown)s shown", "%(shown)s shown", "count")
    default_sort = "-alike"
    file_name = "look-alikes"
    parameters = asking.PARAMETERS
    empty_title = gettext_lazy("Nobody to show")
    empty_icon = "copy"
    columns: Sequence[pages.Column] = (
        pages.Column("name", gettext_lazy("Name"), template="audience/_look_alike_name.html", whole=True,
                     value=names.of),
        pages.Column("alike", gettext_lazy("Score"), sort="alike", desc_first=True, align="end",
                     value=lambda row: round(row.alike, 2)),
        pages.Column("because", gettext_lazy("Because"), template="audience/_look_alike_because.html", whole=True,
                     export=lambda row: in_words(row.told.because)),
        pages.Column("against", gettext_lazy("Against"), template="audience/_look_alike_against.html", whole=True,
                     export=lambda row: in_words(row.told.against)),
    )  # fmt: skip
    exported = (
        pages.Column("id", gettext_lazy("Number"), value="pk"),
        pages.Column("external_id", gettext_lazy("External id")),
    )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.asked = asking.read(request.GET, timezone.now())
        question = self.asked.question
        self.queryset = Person.objects.all() if question.of == "person" else Account.objects.all()
        seen = sight.clause(request.user, Sql("v.subject_id"))
        try:
            with reading.only(PATIENCE):
                self.profile = profile.answer(question, scoring=True)
                self.told = {each.subject_id: each for each in ranking.answer(self.profile, seen=seen)}
                self.check = None if request.GET.get("export") else checking.answer(question)
        except segments.FAULTS as fault:
            return _cannot(request, _("Look-alikes"), fault)
        self.empty_text = self._why_nobody()
        if request.GET.get("export"):
            self.columns = (*self.exported, *self.columns)
        return super().get(request, *args, **kwargs)

    def rows(self) -> QuerySet[Any]:
        """The rows with their scores: found by binary search in arrays, as they come from no table."""
        ids = sorted(self.told)
        place = f"width_bucket({self.queryset.model._meta.db_table}.id, %s::bigint[])"
        score = RawSQL(  # noqa: S611 - values are bound
            f"(%s::float8[])[{place}]", ([self.told[pk].score for pk in ids], ids), output_field=FloatField()
        )
        found = self.queryset.filter(pk__in=ids).annotate(alike=score)
        of = self.asked.question.of
        found = found.annotate(external_id=querysets.external_id(of))
        return found.select_related("account") if of == "person" else found

    def prepare(self, rows: list[Any]) -> list[Any]:
        for row in rows:
            row.told = self.told[row.pk]
        return rows

    def context(self) -> dict[str, Any]:
        question = self.asked.question
        return {
            "profile": self.profile,
            "purpose": _("Who is no customer yet, and most like your %(n)s best: %(best)s.")
            % {"n": writing.number(self.profile.best), "best": best_words(question)},
            "check": self.check,
            "check_auc": writing.number(self.check.auc * 100) if self.check and self.check.auc is not None else "",
            "check_span": _span(self.check),
            "check_lift": _times(self.check.lift) if self.check else "",
            "enough": checking.WON,
            "least": profile.LEAST,
            "prior": ranking.PRIOR,
            "best_url": question.address("best_customers"),
            "keep": {name: self.request.GET[name] for name in asking.PARAMETERS if self.request.GET.get(name)},
            **_form(self.request, self.asked, "look_alikes"),
        }

    def _why_nobody(self) -> str:
        if not self.profile.is_told:
            words = _(
                "Of %(n)s best customers nothing can be said; it takes %(least)s. Choose another basis or a larger top."
            )
            return words % {"n": writing.number(self.profile.best), "least": profile.LEAST}
        return _("Nobody who is no customer yet has more in common with the best than with the others.")


def _span(check: checking.Check | None) -> str:
    if check is None or check.interval is None:
        return ""
    return f"{writing.number(check.interval.low * 100)} – {writing.number(check.interval.high * 100)}"


def in_words(reasons: Sequence[ranking.Reason]) -> str:
    """Reasons as a sentence has them: “industry: Medical (×3.1), employees: 200–499 (×2.2)”."""
    return ", ".join(f"{each.trait.label}: {each.label} (×{writing.number(each.factor, 1)})" for each in reasons)


@require_POST
@rights.needs("edit")
def look_alikes_segment(request: HttpRequest) -> HttpResponse:
    """Keep the look-alikes of a question as a fixed list."""
    question = asking.read(request.POST.dict(), timezone.now()).question
    try:
        with reading.only(PATIENCE):
            alike = ranking.answer(
                profile.answer(question, scoring=True), seen=sight.clause(request.user, Sql("v.subject_id"))
            )
    except segments.FAULTS as fault:
        messages.error(request, cannot(fault))
        return redirect("look_alikes")
    label = _("Like %(best)s") % {"best": best_words(question)}
    return _keep(request, label, question, ids_of(alike))


def ids_of(alike: Sequence[Alike]) -> Sql:
    """The statement of these."""
    return sql("SELECT unnest({}::bigint[]) AS subject_id", [each.subject_id for each in alike])


# ---- what they share ----


def best_words(question: Question) -> str:
    """Who the best are, in words."""
    whom = str(asking.Of(question.of).label).lower()
    if question.segment:
        return _("“%(segment)s”") % {"segment": question.segment}
    words = _("top %(top)s %% of %(whom)s by %(basis)s")
    basis = str(customers.Basis(question.basis).label)
    return words % {"top": question.top, "whom": whom, "basis": basis[:1].lower() + basis[1:]}


def _keep(request: HttpRequest, label: str, question: Question, members: Sql) -> HttpResponse:
    by, now = audit.asker(request), timezone.now()
    made = segments.create_list(label[:200], of=question.of, members=members, by=by, now=now)
    messages.success(request, _("“%(segment)s” is kept.") % {"segment": made})
    return redirect(made)


def _form(request: HttpRequest, asked: Asked, name: str) -> dict[str, Any]:
    """The variables of the form that asks."""
    question = asked.question
    lists = [(each.slug, each.name) for each in Segment.objects.filter(of=question.of).order_by("name")]
    segment = f"segment:{question.segment.slug}" if question.segment else ""
    basis = [(str(value), str(label)) for value, label in customers.Basis.choices]
    return {
        "ask_url": reverse(name),
        "ask_notes": asked.notes,
        "question": question,
        "ofs": [(str(value), str(label)) for value, label in asking.Of.choices],
        "bases": [*basis, *((f"segment:{slug}", _("Segment: %(name)s") % {"name": label}) for slug, label in lists)],
        "basis": segment or question.basis,
        "tops": [(top, _("top %(top)s %%") % {"top": top}) for top in asking.TOPS],
        "lists": lists,
        "mosts": asking.MOSTS if name == "look_alikes" else (),
        "export": question.address(name, export="csv"),
    }


def _cannot(request: HttpRequest, title: str, fault: Exception) -> HttpResponse:
    """Why nothing can be told: it takes too long, or a segment cannot be asked of that day any more."""
    return render(request, "audience/likeness_cannot.html", {"title": title, "why": cannot(fault)})
