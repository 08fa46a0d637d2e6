"""Lists of people and of accounts that keep to the subjects of a statement: everybody behind one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.views import accounts, people
from kit import pages, reading
from kit.sql import Sql

PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Narrowed:
    """Who is listed (`members` yields subject_id), what the list is called, and where it is kept as a segment."""

    members: Sql
    title: str
    purpose: str
    crumbs: Sequence[tuple[Any, str]]
    back: str
    keep_url: str
    keep_words: str
    file_name: str
    parameters: Sequence[str] = ()
    kept: dict[str, str] = field(default_factory=dict)  # what the form that keeps it says besides


class _Within(pages.ListPage):
    template_name = "audience/narrowed.html"
    action: pages.Action | None = None
    also: Sequence[pages.Action] = ()
    empty_title: Any = gettext_lazy("Nobody")
    empty_text: Any = gettext_lazy("The figure is 0: nobody is behind it.")
    empty_icon = "circle-check"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.narrowed: Narrowed = kwargs["narrowed"]
        self.title, self.purpose = self.narrowed.title, self.narrowed.purpose
        self.parameters, self.file_name = self.narrowed.parameters, self.narrowed.file_name

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A file that is taken away is written down; whatever else is asked here changes nothing.
        within = reading.in_time if request.GET.get("export") else reading.only
        try:
            with within(PATIENCE):
                return super().get(request, *args, **kwargs)
        except reading.TooSlow:
            messages.error(request, _("This takes too long to find out while you wait."))
            return redirect(self.narrowed.back)

    def rows(self) -> QuerySet[Any]:
        members = self.narrowed.members
        return super().rows().filter(pk__in=RawSQL(members.text, members.params))  # noqa: S611 - values are bound

    def tools(self) -> list[Any]:
        return []

    def context(self) -> dict[str, Any]:
        return {"narrowed": self.narrowed}

    def get_crumbs(self) -> Sequence[tuple[Any, str]]:
        return [*self.narrowed.crumbs, (self.title, "")]


class People(_Within, people.People):
    """Some people."""


class Accounts(_Within, accounts.Accounts):
    """Some accounts."""


def answer(request: HttpRequest, of: str, narrowed: Narrowed) -> HttpResponseBase:
    """The list of people or of accounts."""
    page: Any = People if of == "person" else Accounts
    return page.as_view()(request, narrowed=narrowed)
