"""The list page itself: what its address asks for, what it draws, and what is done to the rows that were chosen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views import View
from django_filters import FilterSet

from kit import audit, bulk, exports, rights, undo, writing
from kit.pages.columns import Action, Column, Text, written
from kit.pages.paging import Page, Position, Total, counted, ordered, page_of
from kit.pages.parts import wants_part

SIZES = (50, 100, 200)
CHUNK = 2000  # rows of an export that are prepared at once
OWN_PARAMETERS = {"sort", "size", "after", "before", "export"}


@dataclass
class Wish:
    """What the address asks for, as far as it was understood, and notes on what was not."""

    sort: str
    size: int
    after: Position | None = None
    before: Position | None = None
    notes: list[str] = field(default_factory=list)


class ListPage(View):
    """A list. Subclasses give `queryset`, `filterset_class`, `columns`; and words: title, purpose, counted, empty_*."""

    queryset: QuerySet[Any]
    filterset_class: type[FilterSet] | None = None
    columns: Sequence[Column] = ()

    title: Text = ""
    purpose: Text = ""
    counted: Any = ngettext_lazy("%(shown)s row", "%(shown)s rows", "count")
    crumbs: Sequence[tuple[Text, str]] = ()
    action: Action | None = None
    also: Sequence[Action] = ()  # what else the page offers, beside its one action
    empty_title: Text = gettext_lazy("Nothing here yet")
    empty_text: Text = ""
    empty_icon: str = "inbox"
    default_sort: str = ""
    parameters: Sequence[str] = ()  # what in the address says which list this is; no filter, and kept by every link
    file_name: str = "list"
    template_name: str = "kit/list.html"
    part_name: str = "kit/_list.html"  # what of it is drawn again when the filters change
    rows_are: str = ""  # the sort of rows that `kit.bulk` knows actions for; "": rows are not chosen
    extra_context: ClassVar[dict[str, Any]] = {}
    _whole: QuerySet[Any] | None = None  # the rows of which the reader sees only some

    # ---- what subclasses may refine ----

    def rows(self) -> QuerySet[Any]:
        """All rows of the list before filters; the place to narrow by `self.kwargs` or to annotate."""
        return self.queryset.all()

    def seen(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows that the reader may see; the same query when these are all of them.

        Whatever the page shows, counts, exports and acts upon goes through here, before filters.
        """
        return rows

    def prepare(self, rows: list[Any]) -> list[Any]:
        """The rows of one screenful before they are drawn: the place for one more query for all of them."""
        return rows

    def for_file(self, rows: QuerySet[Any], sort: str) -> QuerySet[Any]:
        """The rows in the order in which a file has them."""
        return ordered(rows, sort)

    def context(self) -> dict[str, Any]:
        """More variables for the template."""
        return {}

    def _allowed(self, action: Action | None) -> Action | None:
        """An action of the list, for those who have the right to it."""
        if action and action.right and not rights.may(self.request.user, action.right):
            return None
        return action

    def tools(self) -> Sequence[dict[str, Any]]:
        """What else can be done with the rows now shown: each a dict of label, icon and url."""
        return ()

    def get_title(self) -> Text:
        return self.title

    def get_crumbs(self) -> Sequence[tuple[Text, str]]:
        return [*self.crumbs, (self.get_title(), "")]

    # ---- the page ----

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        filterset = self._filterset()
        wish = self._wish(filterset)
        rows = filterset.qs if filterset else self._seen()
        if exports.wanted(request):
            return self._file(rows, wish)
        context = self._drawn(filterset, rows, wish)
        context["is_part"] = wants_part(request, "list")
        response = render(request, self.part_name if context["is_part"] else self.template_name, context)
        patch_vary_headers(response, ["HX-Request"])
        if context["is_part"]:
            response["HX-Push-Url"] = context["view"]
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Do something to the chosen rows, or (`all`) to every row of the view that the address tells."""
        if not self.rows_are:
            return self.http_method_not_allowed(request)
        view = self._view(after=request.GET.get("after"), before=request.GET.get("before"))
        action = bulk.find(self.rows_are, request.POST.get("action", ""))
        if action is None:
            messages.error(request, _("Nothing was done: say what to do with the rows."))
            return redirect(view)
        if not rights.may(request.user, action.right):
            raise PermissionDenied(_("Your role may look, but not change this. An administrator can change that."))
        try:
            data = action.read(request.POST)
            rows = self._chosen()
            if action.leads:
                return redirect(action.leads(rows))
        except bulk.Refused as refused:
            messages.error(request, _("Nothing was done. %(why)s") % {"why": refused})
            return redirect(view)
        count = rows.count()
        if not count:
            messages.error(request, _("Nothing was done: none of the rows is there any more."))
            return redirect(view)
        sure = "".join(each for each in request.POST.get("sure", "") if each.isalnum())  # however it is written
        if (request.POST.get("all") or action.typed) and sure != str(count):
            return self._ask_whether(action, data, rows, count, view)
        by = audit.asker(request)
        done = bulk.do(self.rows_are, action, rows, data, count=count, by=by, now=timezone.now())
        if done.job:
            messages.info(request, done.told)
            return redirect("job", done.job.pk)
        if self._whole is not None and (gone := count - rows.count()):
            told = ngettext("%(shown)s is not in this view any more.", "%(shown)s are not in this view any more.", gone)
            messages.warning(request, told % {"shown": writing.number(gone)})
        if done.undo:
            undo.offer(request, done.told, f"{reverse('undo')}?{urlencode({'mark': done.undo})}")
        else:
            messages.success(request, done.told)
        return redirect(view)

    def _chosen(self) -> QuerySet[Any]:
        """The rows that the form names. Raises bulk.Refused when there are none, or when the view is not clear."""
        filterset = self._filterset()
        if self.request.POST.get("all"):
            if self._misunderstood(filterset):
                raise bulk.Refused(
                    _("A filter of this view was not understood, so that more would be meant than said.")
                )
            return filterset.qs if filterset else self._seen()
        named = [each for each in self.request.POST.getlist("id")[: SIZES[-1]] if each.isascii() and each.isdigit()]
        if not named:
            raise bulk.Refused(_("No row was chosen."))
        return self._seen().filter(pk__in=[int(each) for each in named if len(each) < 19])  # a longer one is no row's

    def _ask_whether(
        self, action: bulk.Action, data: bulk.Data, rows: QuerySet[Any], count: int, view: str
    ) -> HttpResponse:
        """The exact number before anything is done to all of them, or what has to be typed before it is done at all."""
        every = bool(self.request.POST.get("all"))
        shown = {"count": count, "shown": writing.number(count)}
        given = [
            (name, value)
            for name, values in self.request.POST.lists()
            for value in values
            if name not in (("csrfmiddlewaretoken", "sure", "id") if every else ("csrfmiddlewaretoken", "sure"))
        ]
        context = {
            "action": action,
            "count": count,
            "counted": self.counted % shown,
            "view": view,
            "given": given,
            "said": action.says(data),
            "is_long": action.is_long(count),
            "every": every,
            "shows": action.shows(rows),
            "mistyped": action.typed and "sure" in self.request.POST,
            "crumbs": self.get_crumbs(),
        }
        return render(self.request, "kit/bulk_sure.html", context, status=400 if context["mistyped"] else 200)

    def _bulk(self) -> list[dict[str, Any]]:
        """The actions that the reader may do, each with its fields."""
        if not self.rows_are:
            return []
        drawn = []
        for action in bulk.actions(self.rows_are, self.request.user):
            context = action.context(self.request) if action.template else {}
            html = render_to_string(action.template, context, self.request) if action.template else ""
            drawn.append({"action": action, "html": html})
        return drawn

    def _drawn(self, filterset: FilterSet | None, rows: QuerySet[Any], wish: Wish) -> dict[str, Any]:
        page = self._page(rows, wish)
        if not page.rows and (wish.after or wish.before):
            # The rows behind the position are gone: show the first page instead of none.
            wish.after = wish.before = None
            page = self._page(rows, wish)
        page.rows = self.prepare(page.rows)
        total = self._total(rows)
        chips = self._chips(filterset)
        shown = {"count": total.count, "shown": str(total)}
        heads = [self._head(column, wish.sort) for column in self.columns]
        return {
            "title": self.get_title(),
            "purpose": self.purpose,
            "crumbs": self.get_crumbs(),
            "action": self._allowed(self.action),
            "also": [each for each in self.also if self._allowed(each)],
            "page": page,
            "total": total,
            "total_words": self.counted % shown,
            "unseen_words": self.unseen_words(total, narrowed=bool(chips)),
            "columns": heads,
            "sortable": [head for head in heads if head["view"]],
            "filterset": filterset,
            "has_search": bool(filterset and "q" in filterset.form.fields),
            "filter_fields": [f for f in filterset.form if f.name != "q"] if filterset else [],
            "chips": chips,
            "filters_set": sum(chip["name"] != "q" for chip in chips),
            "narrowed": bool(chips),
            "notes": wish.notes,
            "kept": self._kept(wish),
            "sizes": [(size, self._view(size="" if size == SIZES[0] else size), size == wish.size) for size in SIZES],
            "view": self._view(after=self.request.GET.get("after"), before=self.request.GET.get("before")),
            "all_view": self._all_view(),
            "first_view": self._view(),
            "before_view": self._view(before=page.before.signed(self._order(wish))) if page.before else "",
            "after_view": self._view(after=page.after.signed(self._order(wish))) if page.after else "",
            "export_view": self._view(export="csv"),
            "tools": self.tools(),
            "bulk": self._bulk() if page.rows else [],
            "empty_title": self.empty_title,
            "empty_text": self.empty_text,
            "empty_icon": self.empty_icon,
            **self.extra_context,
            **self.context(),
        }

    def unseen_words(self, total: Total, *, narrowed: bool) -> str:
        """That there is more than the reader sees, in words; how much more only of the whole list.

        With a filter a number would tell whether somebody is there whom the reader does not see.
        """
        if self._whole is None:
            return ""
        if narrowed:
            return _("Only those that you or your team own are shown.")
        told = _("%(shown)s of %(whole)s: you see those that you or your team own.")
        return told % {"shown": total, "whole": counted(self._whole)}

    def _seen(self) -> QuerySet[Any]:
        """All rows that the reader sees, before filters."""
        rows = self.rows()
        seen = self.seen(rows)
        self._whole = None if seen is rows else rows
        return seen

    def _file(self, rows: QuerySet[Any], wish: Wish) -> HttpResponseBase:
        columns = [column for column in self.columns if column.exported]

        def cells() -> Iterator[list[Any]]:
            found = self.for_file(rows, wish.sort).iterator(chunk_size=CHUNK)
            while some := list(itertools.islice(found, CHUNK)):
                for row in self.prepare(some):
                    yield [column.of(row) for column in columns]

        labels = [column.label for column in columns]
        now = timezone.now()
        return exports.download(self.request, self.file_name, labels, cells(), count=rows.count(), now=now)

    # ---- reading the address ----

    def _filterset(self) -> FilterSet | None:
        """The filters with what was asked; its `qs` are the rows that pass those that were understood."""
        if not self.filterset_class:
            return None
        return self.filterset_class(data=self.request.GET, queryset=self._seen(), request=self.request)

    def _wish(self, filterset: FilterSet | None) -> Wish:
        asked = self.request.GET
        notes = self._misunderstood(filterset)
        wish = Wish(sort=self.default_sort, size=SIZES[0], notes=notes)

        sort = asked.get("sort", "")
        sortable = {column.sort for column in self.columns if column.sort}
        if sort.removeprefix("-") in sortable:
            wish.sort = sort
        elif sort:
            notes.append(_("The list cannot be sorted by “%(name)s”.") % {"name": _short(sort)})

        size = asked.get("size", "")
        if size in map(str, SIZES):
            wish.size = int(size)
        elif size:
            sizes = ", ".join(map(str, SIZES))
            notes.append(_("A page has one of these numbers of rows: %(sizes)s.") % {"sizes": sizes})

        for name in ("after", "before"):
            if asked.get(name):
                try:
                    setattr(wish, name, Position.read(asked[name], self._order(wish)))
                except (signing.BadSignature, ValueError, TypeError):
                    notes.append(_("The place in the list was not understood; this is its beginning."))
        return wish

    def _misunderstood(self, filterset: FilterSet | None) -> list[str]:
        """Notes on parameters that are no filter of this list, and on filters with values that make no sense."""
        known = {*OWN_PARAMETERS, *self.parameters}
        notes = []
        for bound in filterset.form if filterset else ():
            known.update(_names_of(bound))
            if bound.errors:
                reason = " ".join(str(each) for each in bound.errors)
                notes.append(
                    _("The filter “%(label)s” was left out: %(reason)s") % {"label": bound.label, "reason": reason}
                )
        unknown = [name for name in self.request.GET if name not in known]
        for name in unknown[:5]:
            notes.append(_("“%(name)s” is no filter of this list and was left out.") % {"name": _short(name)})
        return notes

    def _page(self, rows: QuerySet[Any], wish: Wish) -> Page:
        return page_of(rows, sort=wish.sort, size=wish.size, after=wish.after, before=wish.before)

    def _total(self, rows: QuerySet[Any]) -> Total:
        return counted(rows)

    def _order(self, wish: Wish) -> str:
        return f"{self.queryset.model._meta.label}:{wish.sort}"

    # ---- writing addresses ----

    def _view(self, **changes: Any) -> str:
        """The address of the present view with `changes`; without a place in the list unless given one; no blanks."""
        asked = self._asked()
        for name in ("after", "before", "export"):
            asked.pop(name, None)
        for name, value in changes.items():
            asked.pop(name, None)
            if value not in (None, ""):
                asked[name] = str(value)
        return self.request.path + (f"?{asked.urlencode()}" if asked else "")

    def _all_view(self) -> str:
        """The address of the list without filters: with what says which list it is."""
        asked = self._asked()
        for name in list(asked):
            if name not in self.parameters:
                del asked[name]
        return self.request.path + (f"?{asked.urlencode()}" if asked else "")

    def _asked(self) -> QueryDict:
        asked = self.request.GET.copy()
        for name in list(asked):
            values = [value for value in asked.getlist(name) if value.strip()]
            if values:
                asked.setlist(name, values)
            else:
                del asked[name]
        return asked

    def _kept(self, wish: Wish) -> list[tuple[str, str]]:
        """What the filter form must not forget."""
        kept = [(name, self.request.GET[name]) for name in self.parameters if self.request.GET.get(name)]
        kept += [("sort", wish.sort)] if wish.sort != self.default_sort else []
        return kept + ([("size", str(wish.size))] if wish.size != SIZES[0] else [])

    def _head(self, column: Column, sort: str) -> dict[str, Any]:
        order = {column.sort: "ascending", f"-{column.sort}": "descending"}.get(sort, "") if column.sort else ""
        aside = column.aside and (not order or sort == self.default_sort)
        told = {"is-end": column.align == "end", "is-whole": column.whole, "is-aside": aside}
        head = {"column": column, "order": order, "view": "", "classes": " ".join(each for each in told if told[each])}
        if not column.sort:
            return head
        turned = order == "ascending" or (not order and column.desc_first)
        return {**head, "view": self._view(sort=f"-{column.sort}" if turned else column.sort)}

    def _chips(self, filterset: FilterSet | None) -> list[dict[str, str]]:
        """The filters that are set, in words, each with the address of the view without it."""
        chips: list[dict[str, str]] = []
        if not filterset:
            return chips
        asked = self._asked()
        for bound in filterset.form:
            names = [name for name in _names_of(bound) if name in asked]
            if not names or bound.errors:
                continue
            value = filterset.form.cleaned_data.get(bound.name)
            label = str(bound.label) if bound.name != "q" else _("Search")
            view = self._view(**dict.fromkeys(names, ""))
            chips.append({"name": bound.name, "label": label, "value": _in_words(bound.field, value), "view": view})
        return chips


def _names_of(bound: Any) -> list[str]:
    """The parameters of a form field: more than one for a range."""
    widget = bound.field.widget
    if hasattr(widget, "suffixes"):
        return [widget.suffixed(bound.html_name, suffix) for suffix in widget.suffixes]
    return [bound.html_name]


def _in_words(form_field: Any, value: Any) -> str:
    """What a filter is set to, as its own choices call it."""
    if isinstance(value, slice):
        return f"{written(value.start)} – {written(value.stop)}"
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, list | tuple | QuerySet):
        return ", ".join(_in_words(form_field, each) for each in value)
    for choice in getattr(form_field, "choices", None) or ():
        if str(choice[0]) == str(value):
            return str(choice[1])
    return _short(str(written(value)))


def _short(text: str, length: int = 40) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= length else text[: length - 1] + "…"
