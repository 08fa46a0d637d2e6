"""Pages on which two become one: who may be the same, both side by side, and what a merge did and how it is undone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import merging
from audience.merging import duplicates
from audience.models import Account, Duplicate, Merge, Person
from audience.subjects import filters, known, names, querysets, sight
from audience.subjects.people import find
from kit import addresses, audit, pages, rights

Subject = Person | Account
MODELS: dict[str, type[Person] | type[Account]] = {"person": Person, "account": Account}
FOUND = 20  # with whom a search offers to merge


class Duplicates(pages.ListPage):
    """Every pair that waits to be looked at, of whom the reader sees both."""

    queryset = Duplicate.objects.filter(state=Duplicate.State.OPEN)
    filterset_class = filters.Duplicates
    columns = (
        pages.Column("one", gettext_lazy("Is this"), template="audience/_duplicate_one.html", whole=True,
                     export=lambda row: row.one and names.of(row.one)),
        pages.Column("other", gettext_lazy("the same as this?"), template="audience/_duplicate_other.html",
                     export=lambda row: row.other and names.of(row.other)),
        pages.Column("why", gettext_lazy("Because of"), template="audience/_duplicate_why.html",
                     export=lambda row: "; ".join(f"{why}: {evidence}" for why, evidence in row.reasons)),
        pages.Column("confidence", gettext_lazy("Confidence"), sort="confidence", align="end", desc_first=True,
                     value=lambda row: f"{row.confidence} %"),
        pages.Column("decide", "", template="audience/_duplicate_decide.html", exported=False),
    )  # fmt: skip
    title = gettext_lazy("Duplicates")
    purpose = gettext_lazy("People and accounts that may be one and the same. Nothing is merged until you say so.")
    counted = ngettext_lazy("%(shown)s pair", "%(shown)s pairs", "count")
    crumbs = ((gettext_lazy("Data"), ""),)
    template_name = "audience/duplicates.html"
    default_sort = "-confidence"
    file_name = "duplicates"
    empty_title = gettext_lazy("Nobody seems to be there twice")
    empty_text = gettext_lazy("Everybody is looked at each night: emails, telephone numbers, ids, names, domains.")
    empty_icon = "copy"

    def seen(self, rows: QuerySet[Duplicate]) -> QuerySet[Duplicate]:
        user = self.request.user
        return sight.subjects(sight.subjects(rows, user, "one_id"), user, "other_id")

    def prepare(self, rows: list[Duplicate]) -> list[Duplicate]:
        there = duplicates.subjects_of(rows)
        for row in rows:
            row.one, row.other = there.get(row.one_id), there.get(row.other_id)  # type: ignore[attr-defined]
        _tell(rows)
        return rows


@require_POST
@rights.needs("merge")
def duplicates_find(request: HttpRequest) -> HttpResponse:
    """Look at everybody now."""
    return redirect("job", duplicates.begin(by=audit.asker(request), now=timezone.now()).pk)


@require_POST
@rights.needs("merge")
def duplicate_two(request: HttpRequest, pk: int) -> HttpResponse:
    """These two are not the same."""
    pair = get_object_or_404(Duplicate, pk=pk)
    if sight.sees(request.user, [pair.one_id, pair.other_id]) != {pair.one_id, pair.other_id}:
        raise Http404
    if duplicates.say_two(pair, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("They are two, and will not be shown as one again."))
    else:
        messages.info(request, _("That was decided already."))
    return redirect("duplicates")


@require_http_methods(["GET", "POST"])
@rights.needs("merge")
def person_merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another person one with this one."""
    return _merge(request, "person", pk)


@require_http_methods(["GET", "POST"])
@rights.needs("merge")
def account_merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another account one with this one."""
    return _merge(request, "account", pk)


def _merge(request: HttpRequest, of: str, pk: int) -> HttpResponse:
    survivor = _subject(request, of, pk)
    asked = request.POST if request.method == "POST" else request.GET
    other = _other(request, of, asked.get("with", ""))
    if other is None or other.pk == survivor.pk:
        return _choose(request, of, survivor, asked.get("with", "").strip())
    chosen = {key.removeprefix("take-"): said == "theirs" for key, said in asked.items() if key.startswith("take-")}
    told = merging.compare(survivor, other, chosen)
    if request.method == "POST" and request.POST.get("do") == "merge":
        try:
            made = merging.merge(survivor, other, chosen=chosen, by=audit.asker(request), now=timezone.now())
        except merging.Refused as refused:
            messages.error(request, _("Nothing was merged. %(why)s") % {"why": refused})
            return redirect(survivor.get_absolute_url())
        said = _("They are one now. Everything of both is here; the merge can be undone.")
        messages.success(request, said)
        return redirect("merge", made.pk)
    shown = {
        "of": of, "survivor": survivor, "other": other, "told": told, "name": names.of(survivor),
        "other_name": names.of(other), "pair": _pair(survivor, other),
    }  # fmt: skip
    return render(request, "audience/merge_compare.html", shown)


def _pair(survivor: Subject, other: Subject) -> Duplicate | None:
    """The two as they wait in the queue, with the reasons in words."""
    low, high = sorted((survivor.pk, other.pk))
    pair = Duplicate.objects.filter(one_id=low, other_id=high, state=Duplicate.State.OPEN).first()
    if pair is not None:
        _tell([pair])
    return pair


def _tell(pairs: list[Duplicate]) -> None:
    said = duplicates.words()
    for each in pairs:
        each.reasons = [(said.get(why["rule"], why["rule"]), why["evidence"]) for why in each.why]  # type: ignore[attr-defined]


def _subject(request: HttpRequest, of: str, pk: int) -> Any:
    rows = MODELS[of].objects.select_related(*(("account", "owner") if of == "person" else ("parent", "owner")))
    return sight.get(rows.annotate(external_id=querysets.external_id(of)), request.user, pk=pk, erased_at=None)


def _other(request: HttpRequest, of: str, said: str) -> Any:
    """Whom a number, or an email, means among those that the user sees; None for nobody."""
    said = said.strip().removeprefix("#")
    if said.isascii() and said.isdigit() and len(said) < 19:
        pk: int | None = int(said)
    else:
        email = addresses.email(said) if of == "person" and "\x00" not in said else None
        pk = getattr(find(email=email) if email else None, "pk", None)
    try:
        return _subject(request, of, pk) if pk else None
    except Http404:
        return None


def _choose(request: HttpRequest, of: str, survivor: Subject, said: str) -> HttpResponse:
    """With whom: those whom a search finds, or who may be the same."""
    found: list[Any] = []
    if said and "\x00" not in said:
        if of == "person":
            rows: Any = querysets.find_people(sight.people(querysets.people(), request.user), said)
        else:
            rows = querysets.find_accounts(sight.accounts(querysets.accounts(), request.user), said)
        found = list(rows.exclude(pk=survivor.pk)[:FOUND])
    pairs = list(duplicates.waiting(request.user, of).filter(one_id=survivor.pk)[:FOUND]) + list(
        duplicates.waiting(request.user, of).filter(other_id=survivor.pk)[:FOUND]
    )
    there = duplicates.subjects_of(pairs)
    alike = [there[pk] for pair in pairs for pk in (pair.one_id, pair.other_id) if pk != survivor.pk and pk in there]
    shown = {"of": of, "survivor": survivor, "name": names.of(survivor), "said": said, "found": found, "alike": alike}
    return render(request, "audience/merge_choose.html", shown)


@require_GET
def merge(request: HttpRequest, pk: int) -> HttpResponse:
    """What a merge did: who went into whom, what moved, and whether it can be undone."""
    found = _seen(request, pk)
    survivor = MODELS[found.of].objects.filter(pk=merging.whither(found.survivor_id) or found.survivor_id).first()
    model = MODELS[found.of]
    values = [
        (_label(model, key), before, after) for key, (before, after) in sorted(found.values.items()) if _is_told(key)
    ]
    shown = {
        "merge": found, "survivor": survivor, "name": names.of(survivor) if survivor else "", "values": values,
        "was_called": _was_called(found), "moved": sorted(found.moved.items()), "refusal": merging.part_refusal(found),
    }  # fmt: skip
    if shown["refusal"] is None:
        shown["since"] = merging.since(found)
        shown["goes"] = merging.goes_since(found)
        shown["stays"] = [_label(model, key) for key in merging.changed_since(found) if _is_told(key)]
    return render(request, "audience/merge.html", shown)


def _is_told(key: str) -> bool:
    return not key.endswith("_id") and key not in ("created_at", "first_seen_at")


def _label(model: Any, key: str) -> str:
    return key.removeprefix(known.CUSTOM) if key.startswith(known.CUSTOM) else known.label_of(model(), key)


def _was_called(found: Merge) -> str:
    was = found.was
    person = " ".join(filter(None, [was.get("first_name"), was.get("last_name")])) or was.get("email", "")
    return person or was.get("name") or was.get("domain") or f"#{found.merged_id}"


@require_POST
@rights.needs("merge")
def merge_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Part two who were made one."""
    found = _seen(request, pk)
    try:
        merging.part(found, by=audit.asker(request), now=timezone.now())
    except merging.Refused as refused:
        messages.error(request, _("Nothing was parted. %(why)s") % {"why": refused})
    else:
        messages.success(request, _("They are two again, each with what was theirs."))
    return redirect("merge", pk)


def _seen(request: HttpRequest, pk: int) -> Merge:
    """A merge whose survivor the user sees; once parted, both."""
    found = get_object_or_404(Merge, pk=pk)
    there = merging.whither(found.survivor_id) or found.survivor_id
    both = {there} if found.undone_at is None else {there, merging.whither(found.merged_id) or found.merged_id}
    if sight.sees(request.user, both) != both:
        raise Http404
    return found
