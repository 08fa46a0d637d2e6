"""The page of moves that somebody made by hand although a guard did not hold, and what came of them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from audience.subjects import sight
from kit import pages
from lifecycle import filters
from lifecycle.ledger import overrides, tallies
from lifecycle.models import Lifecycle, Movement

BY = {"user": tallies.by_user, "team": tallies.by_team, "guard": tallies.by_guard}
TABS = {"user": gettext_lazy("By user"), "team": gettext_lazy("By team"), "guard": gettext_lazy("By guard")}
WHO = {"user": gettext_lazy("Who"), "team": gettext_lazy("Team"), "guard": gettext_lazy("What did not hold")}
MOST, NAMED = 20, 3  # lines of the summary, and what is named in one


class Overrides(pages.ListPage):
    """Who was moved over a guard, the latest first."""

    queryset = Movement.objects.all()
    filterset_class = filters.Overrides
    columns = (
        pages.Column(
            "subject",
            gettext_lazy("Who"),
            template="lifecycle/_bulk_member.html",
            value="membership.subject",
            whole=True,
        ),
        pages.Column("occurred_at", gettext_lazy("When"), sort="occurred_at", desc_first=True),
        pages.Column("from_stage", gettext_lazy("From"), value="from_stage"),
        pages.Column("to_stage", gettext_lazy("To"), value="to_stage"),
        pages.Column("guard", gettext_lazy("What did not hold"), value="guard"),
        pages.Column("reason", gettext_lazy("Why all the same"), value="reason"),
        pages.Column("actor", gettext_lazy("By"), sort="actor", value="actor"),
        pages.Column("result", gettext_lazy("What came of it"), value=lambda row: overrides.Result(row.result).label),
        pages.Column("result_at", gettext_lazy("On"), value="result_at", aside=True),
        pages.Column("stage", gettext_lazy("In it now"), value="membership.stage", aside=True),
    )
    counted = ngettext_lazy("%(shown)s move", "%(shown)s moves", "count")
    purpose = gettext_lazy(
        "Moved by hand although what a guard asks did not hold, with the reason, and what came of it."
    )
    default_sort = "-occurred_at"
    file_name = "moves_over_guards"
    template_name = "lifecycle/overrides.html"
    part_name = "lifecycle/_overrides.html"  # the summary is of the rows that the filters leave
    parameters = ("by",)
    empty_title = gettext_lazy("Nobody was moved over a guard")
    empty_text = gettext_lazy(
        "A guard says what must hold to move somebody by hand. Who moves them all the same says why, and stands here."
    )
    empty_icon = "circle-check"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.lifecycle = get_object_or_404(Lifecycle, slug=kwargs["slug"])
        request.lifecycle = self.lifecycle  # type: ignore[attr-defined]  # the stages to choose from are its stages
        return super().dispatch(request, *args, **kwargs)

    def get_title(self) -> str:
        return _("Moves over a guard in %(lifecycle)s") % {"lifecycle": self.lifecycle}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Lifecycles"), reverse("lifecycles")),
            (str(self.lifecycle), reverse("lifecycle", args=[self.lifecycle.slug])),
            (gettext_lazy("Moves over a guard"), ""),
        ]

    def rows(self) -> QuerySet[Movement]:
        return overrides.of_lifecycle(self.lifecycle)

    def seen(self, rows: QuerySet[Movement]) -> QuerySet[Movement]:
        return sight.subjects(rows, self.request.user, "membership__subject_id")

    def prepare(self, rows: list[Any]) -> list[Any]:
        return overrides.with_guards(rows)

    def context(self) -> dict[str, Any]:
        filterset = self._filterset()
        assert filterset is not None
        told = dict(filterset.qs.order_by().values_list("result").annotate(Count("pk")))
        figures = [(each.value, each.label, told[each], self._view(result=each.value)) for each in overrides.Result
                   if each in told]  # fmt: skip
        by = self.request.GET.get("by", "")
        by = by if by in BY else "user"
        found = BY[by](tallies.cells(filterset.qs))
        return {
            "lifecycle": self.lifecycle,
            "figures": figures,
            "by": by,
            "tabs": [{"label": label, "url": self._view(by=key), "current": key == by} for key, label in TABS.items()],
            "who": WHO[by],
            "results": overrides.Result.choices,
            "tallies": [self._line(each, by) for each in found[:MOST]],
            "more_tallies": max(len(found) - MOST, 0),
        }

    def _line(self, tally: tallies.Tally, by: str) -> dict[str, Any]:
        """A line of the summary: each number with the address of its rows, where a filter says which they are."""
        narrowed = {"user": ("actor", tally.actor), "team": ("team", tally.team.pk if tally.team else "")}
        name, value = narrowed.get(by, ("", ""))

        def cell(count: int, **more: str) -> dict[str, Any]:
            return {"count": count, "url": self._view(**{name: value}, **more) if value and count else ""}

        return {
            "label": tally.label,
            "moves": cell(tally.moves),
            "cells": [(label, cell(tally.results[each], result=each)) for each, label in overrides.Result.choices],
            "won": cell(tally.won, won="yes"),
            "often": list(tallies.top(tally.actors if by == "guard" else tally.guards, NAMED)),
        }
