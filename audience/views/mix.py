"""The page of the channel mix."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from audience.activity import mix
from audience.models import Activity, Segment
from audience.subjects import sight
from audience.subjects.filters import EMPTY
from kit import exports, installation, money, reading
from kit.forms import Day

DAYS = 90  # that are shown unless somebody says otherwise
HEADS = (
    gettext_lazy("By"), gettext_lazy("Name"), gettext_lazy("Paid"), gettext_lazy("Human"),
    gettext_lazy("Activities"), gettext_lazy("Inbound"), gettext_lazy("Outbound"), gettext_lazy("Direction unknown"),
    gettext_lazy("By humans"), gettext_lazy("People and accounts"), gettext_lazy("Cost"),
)  # fmt: skip


class Asking(forms.Form):
    """Which days, which direction, of whom."""

    first = Day(label=gettext_lazy("From"), required=False)
    last = Day(label=gettext_lazy("To, that day included"), required=False)
    direction = forms.ChoiceField(
        label=gettext_lazy("Direction"), required=False,
        choices=[("", gettext_lazy("Any")), *Activity.Direction.choices, (EMPTY, gettext_lazy("(empty)"))],
    )  # fmt: skip
    actor = forms.ChoiceField(
        label=gettext_lazy("By whom"), required=False, choices=[("", gettext_lazy("Any")), *Activity.Actor.choices]
    )
    segment = forms.ModelChoiceField(
        queryset=Segment.objects.order_by("name"), to_field_name="slug", label=gettext_lazy("Of the segment"),
        required=False, empty_label=gettext_lazy("(everybody)"),
    )  # fmt: skip


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """What happened in some days by channel and by platform; as a page, or as a file."""
    now = timezone.now()
    form = Asking(request.GET)
    form.is_valid()
    said = form.cleaned_data  # what could not be understood narrows nothing
    last: date = said.get("last") or timezone.localdate(now, installation.zone())
    first: date = said.get("first") or min(last, timezone.localdate(now, installation.zone())) - timedelta(
        days=DAYS - 1
    )
    if first > last:
        first, last = last, first
    until = last + timedelta(days=1)
    asked: dict[str, Any] = {name: said[name] for name in ("direction", "actor") if said.get(name)}
    if said.get("segment"):
        asked["segment"] = said["segment"].slug
    zone = installation.zone()
    asked |= {"since": installation.midnight(first, zone), "until": installation.midnight(until, zone)}
    try:
        with reading.in_time(mix.PATIENCE) if exports.wanted(request) else reading.only(mix.PATIENCE):
            found = mix.of(_seen(request.user), asked, first, until)
    except reading.TooSlow:
        messages.error(request, _("This takes too long to find out while you wait. Choose fewer days."))
        return redirect("activities")
    if exports.wanted(request):
        lines = _rows(found)
        return exports.download(request, "channel-mix", HEADS, lines, count=len(lines), now=now)
    by_channel, platforms = found.by_channel, found.by_platform
    context = {
        "form": Asking({**said, "segment": asked.get("segment", ""), "first": first, "last": last}),
        "tables": [
            (_("By channel"), "channel", [_shown(each, mix.label(each), "channel", asked) for each in by_channel]),
            (_("By platform"), "platform", [_shown(each, mix.platform(each), "platform", asked) for each in platforms]),
        ],
        "total": _shown(found.total, _("All"), "", asked),
        "left_out": found.left_out,
        "left_out_url": _door(asked, left_out="yes"),
        "first": first,
        "last": last,
        "sees_all": sight.everything(request.user),
        "export_url": f"?{urlencode({**_plain(asked), 'first': str(first), 'last': str(last)})}",
    }  # fmt: skip
    return render(request, "audience/mix.html", context)


def _seen(user: Any) -> QuerySet[Activity]:
    rows = Activity.objects.all()
    if sight.everything(user):
        return rows
    return sight.subjects(rows.annotate(whose=Coalesce("person_id", "account_id")), user, "whose")


def _shown(line: mix.Line, name: str, by: str, asked: dict[str, Any]) -> dict[str, Any]:
    """A line with the doors of its figures."""
    of = {by: line.key or EMPTY} if by else {}
    way, actor = asked.get("direction"), asked.get("actor")
    cells = [
        (_("Activities"), line.number, _door(asked, **of)),
        (_("Inbound"), line.inbound, _door(asked, **of, direction="inbound")),
        (_("Outbound"), line.outbound, _door(asked, **of, direction="outbound")),
        (_("Direction unknown"), line.undirected, _door(asked, **of, direction=way or EMPTY)),
        (_("By humans"), line.human, _door(asked, **of, actor=actor or "human")),
        (_("People and accounts"), line.reached, _door(asked, **of)),
    ]
    cost = ", ".join(money.written(amount, currency) for currency, amount in sorted(line.cost.items()))
    return {
        "name": name or _("(empty)"), "channel": line.channel, "is_unknown": bool(line.key and not line.channel),
        "cells": cells, "cost": cost, "key": line.key,
    }  # fmt: skip


def _door(asked: dict[str, Any], **more: str) -> str:
    """The list of the activities behind a figure."""
    return f"{reverse('activities')}?{urlencode({**_plain(asked), 'left_out': 'no', **more})}"


def _plain(asked: dict[str, Any]) -> dict[str, str]:
    """The filters as an address has them: instants by the reader's clock."""
    return {
        name: f"{timezone.localtime(value):%Y-%m-%dT%H:%M}" if isinstance(value, datetime) else value
        for name, value in asked.items()
    }


def _rows(found: mix.Mix) -> list[list[Any]]:
    told = []
    for by, lines, named in (
        (_("Channel"), found.by_channel, mix.label),
        (_("Platform"), found.by_platform, mix.platform),
        (_("All"), [found.total], lambda _line: ""),
    ):
        for each in lines:
            cost = ", ".join(f"{money.major(amount, code)} {code}" for code, amount in sorted(each.cost.items()))
            sort = [each.channel.is_paid, each.channel.is_human] if each.channel else [None, None]
            name = named(each) or ("" if by == _("All") else _("(empty)"))
            counts = [each.number, each.inbound, each.outbound, each.undirected, each.human, each.reached]
            told.append([by, name, *sort, *counts, cost])
    return told
