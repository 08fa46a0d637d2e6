"""Pages of readiness: how complete the data is, what it supports today, and each field with those who lack it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import live, segments
from audience.models import Completeness
from audience.readiness import abilities, completeness, gaps, measures, origins, overview
from audience.readiness.completeness import Point
from audience.readiness.measures import Fact, Measured
from audience.readiness.overview import Line
from audience.views import narrowed
from kit import audit, exports, installation, money, periodic, reading, rights, writing
from kit.statistics import Share

PATIENCE = 10.0  # seconds


@require_GET
def readiness(request: HttpRequest) -> HttpResponseBase:
    """What the data supports today, and how complete every field is."""
    now = timezone.now()
    try:
        with reading.only(PATIENCE):
            told = overview.answer(now)
            able = abilities.all_of(abilities.Asked(now, told.shares))
    except reading.TooSlow:
        return render(request, "audience/readiness_slow.html", {"until": completeness.taken_until()})
    if exports.wanted(request):
        lines = [_line(line) for group in told.groups for line in group.lines]
        return exports.download(request, "readiness", HEADS, lines, count=len(lines), now=now)
    clock = _clock(request)
    today = now.astimezone(installation.zone()).date()
    curves = [
        drawn(group.id, group.label, completeness.curve(group.names, clock, group.whole, today))
        for group in told.groups
        if group.id in completeness.OF
    ]
    context = {
        "title": _("Readiness"),
        "groups": told.groups,
        "abilities": able,
        "ready": sum(each.state == abilities.State.READY for each in able),
        "curves": curves,
        "months": _months(curves),
        "clock": clock,
        "clocks": _clocks(request, clock),
        "until": completeness.taken_until(),
    }
    return render(request, "audience/readiness.html", context)


HEADS = ["field", "of", "applies to", "known", "applicable", "share", "used by", "more within reach"]


def _line(line: Line) -> list[Any]:
    measure, share = line.measure, line.share
    rate = None if share.rate is None else round(share.rate, 4)
    return [measure.name, measure.of, str(measure.applies.words), share.hits, share.of, rate, len(line.uses),
            line.best.more if line.best else None]  # fmt: skip


def _clock(request: HttpRequest) -> str:
    asked = request.GET.get("known", "")
    return asked if asked in Completeness.Clock.values else completeness.usual_clock()


def _clocks(request: HttpRequest, chosen: str) -> list[dict[str, Any]]:
    return [
        {"label": label, "url": f"{request.path}?known={value}#curve", "current": value == chosen}
        for value, label in Completeness.Clock.choices
    ]


def drawn(of: str, label: str, points: list[Point]) -> dict[str, Any]:
    """A curve in a square of a hundred, y downwards as drawings have it, with its points as text."""
    heights = [100 - (point.share.rate or 0) * 100 for point in points]
    if len(heights) == 1:
        heights *= 2  # a level line
    places = [(at * 100 / (len(heights) - 1), height) for at, height in enumerate(heights)]
    return {
        "of": of,
        "label": label,
        "points": points,
        "line": " ".join(f"{x:.2f},{y:.2f}" for x, y in places),
        "words": _("%(label)s: from %(first)s to %(last)s") % {
            "label": label,
            "first": writing.percent(points[0].share.rate),
            "last": writing.percent(points[-1].share.rate),
        },
    }  # fmt: skip


def _months(curves: list[dict[str, Any]]) -> list[tuple[Any, list[Share | None]]]:
    """The table of the curves: a line for each day, the latest first."""
    by_day = [{point.day: point.share for point in curve["points"]} for curve in curves]
    days = sorted({day for known in by_day for day in known}, reverse=True)
    return [(day, [known.get(day) for known in by_day]) for day in days]


@require_POST
@rights.needs("operate")
def measure(request: HttpRequest) -> HttpResponse:
    """Have the nightly measuring done now."""
    if periodic.ask(completeness.TURN, by=audit.asker(request), now=timezone.now()):
        messages.info(request, _("It is being measured: the curve follows within a minute or two."))
    else:
        messages.info(request, _("It is being measured already."))
    return redirect("readiness")


# ---- one field ----


@require_GET
def field(request: HttpRequest, name: str) -> HttpResponse:
    """One field: over time, by value, source and age; who asks for it; what filling it would change."""
    measure, now = _measure(name), timezone.now()
    today = now.astimezone(installation.zone()).date()
    clock = _clock(request)
    context: dict[str, Any] = {"measure": measure, "title": capital(measure.label), "clock": clock}
    try:
        with reading.only(PATIENCE):
            share = completeness.now_of(measure, now)
            context |= {"share": share, "without": share.of - share.hits, "stake": _stake(measure, now)}
            if not isinstance(measure, Fact):
                context |= _of_kept(measure, share, now)
    except reading.TooSlow:
        return render(request, "audience/readiness_slow.html", {"until": completeness.taken_until()})
    points = completeness.curve([measure.name], clock, share, today)
    curves = [drawn(measure.of, capital(measure.label), points)]
    context |= {"curves": curves, "months": _months(curves)}
    return render(request, "audience/readiness_field.html", context | {"clocks": _clocks(request, clock)})


def _of_kept(measure: measures.Measure, share: Share, now: datetime) -> dict[str, Any]:
    standing = gaps.standing([measure], of=measure.of, now=now)
    found = origins.of(measure, now)
    return {
        "uses": standing.uses[measure.name],
        "reaches": sorted(standing.reaches.get(measure.name, ()), key=lambda each: -each.more if each.is_told else 1),
        "enough": gaps.ENOUGH,
        "buckets": [_bucket(value, count, share, measure) for value, count in origins.buckets(measure, now)],
        "origins": found,
        "ages": [(words, count) for (_days, words), count in zip(origins.AGES, found.ages, strict=True)],
    }


def _bucket(value: str | None, count: int, share: Share, measure: measures.Measure) -> tuple[str, int, Share]:
    called = _("other values") if value is None else value or _("(empty)")
    if measure.field.type == "yes_no" and value:
        called = _("yes") if value == "true" else _("no")
    return str(dict(measure.field.choices).get(value or "", called)), count, Share(count, share.of)


def _stake(measure: Measured, now: datetime) -> dict[str, Any] | None:
    """The open deals of those who lack it, as the page writes them; None where there are none."""
    found = gaps.stake(measure, now)
    if not found.deals:
        return None
    written = {"deals": found.deals, "amount": money.written(found.amount, found.currency), "won": found.won}
    if not found.is_told:
        return written
    low, high = found.interval
    return written | {
        "worth": money.written(found.worth, found.currency),
        "low": money.written(round(low), found.currency),
        "high": money.written(round(high), found.currency),
    }


@require_http_methods(["GET", "POST"])
def without(request: HttpRequest, name: str) -> HttpResponseBase:
    """Those who lack a field, as a list: to look at, to take away and fill, to keep as a segment."""
    measure = _measure(name)
    label = capital(measure.label)
    shown = narrowed.Narrowed(
        members=measure.without(timezone.now() + live.INSTANT),
        title=measures.called(measure),
        purpose=_("Of %(whom)s. Take the file away, fill the column, and import it again: the curve rises.")
        % {"whom": measure.applies.words},
        crumbs=_crumbs((label, reverse("readiness_field", args=[name]))),
        back=reverse("readiness_field", args=[name]),
        keep_url=reverse("readiness_segment", args=[name]),
        keep_words=_("Keep as segment"),
        file_name=f"without-{name.replace('.', '-').replace('_', '-')}",
    )
    return narrowed.answer(request, measure.of, shown)


@require_POST
@rights.needs("edit")
def segment(request: HttpRequest, name: str) -> HttpResponse:
    """Keep those who lack a field as a segment, which they leave by themselves when it is filled."""
    measure, now = _measure(name), timezone.now()
    by = audit.asker(request)
    if isinstance(measure, Fact):
        members = measure.without(now + live.INSTANT)
        made = segments.create_list(measures.called(measure), of=measure.of, members=members, by=by, now=now)
    else:
        condition = measure.lacking
        made = segments.create(measures.called(measure), of=measure.of, condition=condition, by=by, now=now)
    messages.success(request, _("“%(segment)s” is kept.") % {"segment": made})
    return redirect(made)


def _measure(name: str) -> Measured:
    found = measures.find(name) if "\x00" not in name else None
    if found is None:
        raise Http404
    return found


def _crumbs(*more: tuple[Any, str]) -> list[tuple[Any, str]]:
    return [(_("Data"), ""), (_("Readiness"), reverse("readiness")), *more]


def capital(text: Any) -> str:
    """A label as a heading begins."""
    return str(text)[:1].upper() + str(text)[1:]
