"""Pages of the rules that read job titles: those in force, a title tried, a draft with what it would change."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.models import TitleRules
from audience.subjects import titles
from kit import audit, rights

MORE = 3  # empty rows of the form
EDITIONS = 20
OF = ((titles.GROUP, gettext_lazy("Title group")), (titles.SENIORITY, gettext_lazy("Seniority")))
COMMAS = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})


class Rule(forms.Form):
    """One rule: what a title becomes that has one of the words."""

    place = forms.IntegerField(label=gettext_lazy("Place"), required=False, min_value=1, max_value=10_000)
    value = forms.CharField(label=gettext_lazy("Becomes"), required=False, max_length=50)
    words = forms.CharField(label=gettext_lazy("Words"), required=False, max_length=20_000, widget=COMMAS)
    unless = forms.CharField(
        label=gettext_lazy("Unless one of these follows"), required=False, max_length=20_000, widget=COMMAS
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for each in self.fields.values():
            each.widget.attrs["class"] = "input"


MOST = titles.MOST_RULES + MORE
Rules = forms.formset_factory(Rule, extra=MORE, max_num=MOST, absolute_max=MOST)


class Try(forms.Form):
    """A title to try."""

    title = forms.CharField(label=gettext_lazy("Try a title"), max_length=200)


@require_GET
def title_rules(request: HttpRequest) -> HttpResponse:
    """The rules in force, what a title would become, and what a draft would change."""
    rules, draft = titles.in_force(), titles.draft()
    form = Try(request.GET or None)
    tried = []
    if form.is_bound and form.is_valid():
        title = form.cleaned_data["title"]
        tried = [(_("in force"), titles.read(title, rules))]
        if draft:
            tried.append((_("draft"), titles.read(title, draft.rules)))
    count, sample = titles.preview(draft.rules, rules) if draft else (0, [])
    editions = TitleRules.objects.exclude(applied_at=None).select_related("created_by").order_by("-applied_at")
    context = {
        "parts": [(label, [each for each in rules if each["of"] == of]) for of, label in OF],
        "draft": draft,
        "count": count,
        "sample": sample,
        "form": form,
        "tried": tried,
        "editions": editions[:EDITIONS],
        "may_edit": rights.may(request.user, "edit"),
    }
    return render(request, "audience/title_rules.html", context)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def draft(request: HttpRequest) -> HttpResponse:
    """The rules as a draft, one row each, in their order."""
    there = titles.draft()
    rules = there.rules if there else titles.in_force()
    sets = [
        (of, label, Rules(request.POST or None, prefix=of, initial=_shown(rules, of))) for of, label in OF
    ]  # fmt: skip
    wrong = ""
    if request.method == "POST" and all(each.is_valid() for _of, _label, each in sets):
        told = [rule for of, _label, each in sets for rule in _told(each, of)]
        try:
            titles.write(told, by=audit.asker(request), now=timezone.now())
        except titles.Refused as refused:
            wrong = str(refused)
        else:
            messages.success(request, _("Kept as a draft. Look at what it would change, then apply it."))
            return redirect("title_rules")
    context = {"sets": sets, "wrong": wrong, "is_new": there is None}
    return render(request, "audience/title_rules_draft.html", context, status=400 if request.method == "POST" else 200)


@require_POST
@rights.needs("edit")
def apply(request: HttpRequest) -> HttpResponse:
    """Put the draft in force; everybody who followed the former rules follows it."""
    try:
        job = titles.apply(by=audit.asker(request), now=timezone.now())
    except titles.Refused as refused:
        messages.error(request, str(refused))
        return redirect("title_rules")
    return redirect("job", job.pk)


@require_POST
@rights.needs("edit")
def discard(request: HttpRequest) -> HttpResponse:
    """Throw the draft away."""
    if titles.discard(by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("The draft is gone; the rules in force stay."))
    return redirect("title_rules")


def _shown(rules: titles.Rules, of: str) -> list[dict[str, Any]]:
    mine = [each for each in rules if each["of"] == of]
    return [
        {"place": place, "value": each["value"], "words": ", ".join(each["words"]), "unless": ", ".join(each["unless"])}
        for place, each in enumerate(mine, 1)
    ]


def _told(rows: Any, of: str) -> list[dict[str, Any]]:
    """The rows that say anything, by their places; one that was emptied is gone."""
    told = [each.cleaned_data for each in rows if (each.cleaned_data.get("value") or each.cleaned_data.get("words"))]
    ordered = sorted(told, key=lambda each: each.get("place") or 10_001)
    return [
        {"of": of, "value": each["value"], "words": each["words"].split(","), "unless": each["unless"].split(",")}
        for each in ordered
    ]
