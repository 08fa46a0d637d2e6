"""The funnel's page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from audience.subjects import exclusions
from kit import exports, pages, progress, rights, writing
from lifecycle.models import Lifecycle, Version
from reporting import addresses, forms, freshness, known, metrics, plans, splits, windows
from reporting import funnel as funnels
from reporting import notes as notes_of
from reporting.figures import counted
from reporting.figures import funnel as figures
from reporting.metrics import recorded_late, subjects
from reporting.questions import Question
from reporting.views import asking

SUBJECTS = "subjects"  # instead of memberships, in the table of flows


@require_GET
def funnel(request: HttpRequest) -> HttpResponseBase:
    """The funnel of a lifecycle in a window; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {
        "title": _("Funnel"),
        "purpose": _(
            "How many were in each stage, came, went on, and how long it took. Every number opens the people behind it."
        ),
    }
    lifecycles = plans.readable()
    if not lifecycles:
        return asking.no_lifecycle(request, words, "funnel")
    lifecycle, notes = addresses.choose(request.GET, lifecycles)
    plan = plans.read(lifecycle)
    assert plan is not None
    asked = addresses.read(request.GET, plan, funnels.today(now), now)
    question = asked.question
    with known.entries(question) as then:
        answer = replace(funnels.answer(then), question=question)
        late = recorded_late.by_stage(then.about(split=None))
        other = _compared(request, then, question)
        distinct = _subjects(request, then)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"funnel-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    freshness.refill_if_stale(lifecycle, answer.filled_at, now)
    context = {
        **words,
        "answer": answer,
        "question": question,
        "lifecycle": lifecycle,
        "notes": (*notes, *asked.notes, *asking.known_words(question)),
        "past": asking.past_of(request, asked, now),
        "choices": _choices(lifecycles, asked),
        "headline": figures.headline(answer),
        "remarks": [*figures.remarks(answer), *figures.late(answer, late)],
        "bars": figures.bars(answer),
        "ledger": figures.ledger(answer),
        "conversions": figures.conversions(answer),
        "durations": figures.durations(answer),
        "of_subjects": figures.of_subjects(answer, distinct) if distinct else None,
        "counts_subjects": request.GET.get("count") == SUBJECTS,
        "compared": figures.compared(answer, other) if other else None,
        "compared_with": other.window if other else None,
        "split": figures.split(answer),
        "steps": figures.steps(answer),
        "last_day": writing.day(question.window.last),
        "basis": figures.basis(answer),
        "widest": answer.everybody.widest,
        "metrics": [metrics.ALL[name] for name in figures.METRICS],
        "left_out": counted(question.about(split=None), "excluded", answer.excluded),
        "left_out_by": exclusions.in_words(answer.excluded_by),
        "export_view": addresses.page("report_funnel", question, export="csv"),
        "is_empty": not any(row.balance_end or row.in_flow or row.out_flow for row in answer.everybody.rows),
        "chart_notes": notes_of.within(question.window),
        "note_form": forms.Note() if rights.may(request.user, "edit") and not question.past else None,
        "here": request.get_full_path(),
        **_replay(plan.version, now),
    }
    return pages.part(request, "funnel", "reporting/_funnel.html", "reporting/funnel.html", context)


def _subjects(request: HttpRequest, then: Question) -> dict[tuple[str, str], int]:
    """The different subjects behind balances and flows, where the address asks for them."""
    if request.GET.get("count") != SUBJECTS:
        return {}
    return subjects.by_stage(then.about(split=None), [place.slug for place in then.plan.places])


def _compared(request: HttpRequest, then: Question, question: Question) -> funnels.Funnel | None:
    """The funnel of the span that the address compares with; over the same entries."""
    asked = request.GET.get("compare", "")
    if asked not in windows.Compared.values:
        return None
    window = question.window.before(asked)
    answer = funnels.answer(then.about(window=window, split=None))
    return replace(answer, question=question.about(window=window, split=None))


def _choices(lifecycles: list[Lifecycle], asked: addresses.Asked) -> dict[str, Any]:
    question = asked.question
    within = [(days, _("within %(days)s days") % {"days": days}) for days in addresses.WITHIN]
    if question.within is not None and question.within not in addresses.WITHIN:
        within.append((question.within, _("within %(days)s days") % {"days": question.within}))
    return {
        "lifecycles": [(lifecycle.slug, lifecycle.name) for lifecycle in lifecycles],
        "windows": windows.Preset.choices,
        "compare": windows.Compared.choices,
        "window": asked.preset,
        "within": within,
        "splits": [(split.name, split.label) for split in splits.offered(question.plan.lifecycle.of)],
    }


def _replay(version: Version, now: datetime) -> dict[str, Any]:
    """The job that replays the version's history, while it is not done."""
    job = version.job
    if version.state != Version.State.PUBLISHING or job is None:
        return {}
    return {"job": job, "progress": progress.of(job, now)}
