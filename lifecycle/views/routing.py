"""The page on which it is said who gets hand-offs: the rules in their order, the reasons, and who still waits."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.conditions.tree import ConditionError
from kit import installation, rights, writing
from kit.audit import asker
from kit.sql import sql, value
from lifecycle import forms
from lifecycle.handoffs import answering, offering, routing
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, RoutingRule, Stage


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The rules of every lifecycle that hands people to sales."""
    today = timezone.localdate(timezone.now(), installation.zone())
    handing = Lifecycle.objects.filter(versions__stages__hand_off__isnull=False).distinct().order_by("name")
    context = {
        "parts": [_part(each, today) for each in handing],
        "may_edit": rights.may(request.user, "edit"),
    }
    return render(request, "lifecycle/routing.html", context)


def _part(lifecycle: Lifecycle, today: Any) -> dict[str, Any]:
    rules = routing.rules_of(lifecycle)
    troubles = routing.out_of_reach(rules, today)
    for rule in rules:
        rule.sentence, rule.trouble = _sentence(rule), troubles.get(rule.position, "")  # type: ignore[attr-defined]
    waiting = [(stage, _count(stage)) for stage in stages.offered(lifecycle) if stage.hand_off]
    return {
        "lifecycle": lifecycle,
        "rules": rules,
        "is_own": any(rule.pk for rule in rules),
        "waiting": [(stage, count) for stage, count in waiting if count],
    }


def _count(stage: Stage) -> int:
    return int(value(sql("SELECT count(*) FROM ({}) waiting", offering.waiting(stage))))


def _sentence(rule: RoutingRule) -> str:
    try:
        return routing.sentence(rule)
    except ConditionError:
        return ""  # what is wrong with it stands beside


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def rule_new(request: HttpRequest, slug: str) -> HttpResponse:
    """A rule more."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    form = forms.Routing(request.POST or None, of=lifecycle.of)
    if request.method == "POST" and form.is_valid():
        try:
            routing.adopt(lifecycle, by=asker(request), now=timezone.now())
            routing.add(lifecycle, form.told, by=asker(request), now=timezone.now())
        except routing.Refused as refused:
            messages.error(request, str(refused))
        return _back(lifecycle)
    return _form_page(request, form, _("New rule of routing"), str(lifecycle))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    """One rule, to be changed."""
    found = _rule(pk)
    shown = {"kind": found.kind, "team": found.team_id, "user": found.user_id, "condition": found.condition}
    form = forms.Routing(request.POST or None, of=found.lifecycle.of, present=found.user_id, initial=shown)
    if request.method == "POST" and form.is_valid():
        routing.change(found, form.told, by=asker(request), now=timezone.now())
        messages.success(request, _("The rule is kept."))
        return _back(found.lifecycle)
    return _form_page(request, form, _("Change a rule of routing"), str(found.lifecycle))


@require_POST
@rights.needs("edit")
def rule_move(request: HttpRequest, pk: int) -> HttpResponse:
    """A rule one place up or down."""
    found = _rule(pk)
    routing.move(found, -1 if request.POST.get("to") == "up" else 1, by=asker(request), now=timezone.now())
    return _back(found.lifecycle)


@require_POST
@rights.needs("edit")
def rule_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """A rule less."""
    found = _rule(pk)
    routing.remove(found, by=asker(request), now=timezone.now())
    messages.success(request, _("“%(rule)s” is removed.") % {"rule": found})
    return _back(found.lifecycle)


@require_POST
@rights.needs("edit")
def adopt(request: HttpRequest, slug: str) -> HttpResponse:
    """Make the usual rules the lifecycle's own, so that they can be changed."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    routing.adopt(lifecycle, by=asker(request), now=timezone.now())
    return _back(lifecycle)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def reasons(request: HttpRequest, slug: str) -> HttpResponse:
    """The reasons for rejecting that are on offer."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    form = forms.Reasons(request.POST or None, initial={"reasons": "\n".join(answering.reasons(lifecycle))})
    if request.method == "POST" and form.is_valid():
        try:
            lines = form.cleaned_data["reasons"].splitlines()
            answering.set_reasons(lifecycle, lines, by=asker(request), now=timezone.now())
        except answering.Refused as refused:
            form.add_error("reasons", str(refused))
        else:
            messages.success(request, _("The reasons are kept."))
            return _back(lifecycle)
    return _form_page(request, form, _("Reasons for rejecting"), str(lifecycle))


@require_POST
@rights.needs("edit")
def offer(request: HttpRequest, slug: str) -> HttpResponse:
    """Hand over those who stand in a stage since before it was handed to sales."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    wanted = request.POST.get("stage", "")
    stage = next((each for each in stages.offered(lifecycle) if each.slug == wanted and each.hand_off), None)
    if stage is None:
        messages.error(request, _("That stage is not handed to sales any more."))
        return _back(lifecycle)
    count = offering.offer_waiting(stage, by=asker(request), now=timezone.now())
    told = ngettext("%(n)s was handed over.", "%(n)s were handed over.", count)
    messages.success(request, told % {"n": writing.number(count)})
    return _back(lifecycle)


def _rule(pk: int) -> RoutingRule:
    return get_object_or_404(RoutingRule.objects.select_related("lifecycle", "user", "team"), pk=pk)


def _back(lifecycle: Lifecycle) -> HttpResponse:
    return redirect(f"{reverse('routing')}#{lifecycle.slug}")


def _form_page(request: HttpRequest, form: Any, title: str, purpose: str) -> HttpResponse:
    context = {"form": form, "title": title, "purpose": purpose}
    return render(request, "lifecycle/routing_rule.html", context, status=400 if form.is_bound else 200)
