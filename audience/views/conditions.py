"""What a builder of conditions asks while somebody uses it: fields, values in use, and how a condition fares."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audience.asked import builder
from audience.conditions import offering, trial
from audience.models import Account, Person
from audience.subjects import names, querysets, sight
from kit import icons, installation, money, rights, writing

LIVE = timedelta(microseconds=1)  # "as of" is strictly before, so that what happens now counts as of now and this
ICONS = {
    "up": "arrow-up", "down": "arrow-down", "copy": "copy", "wrap": "group", "unwrap": "ungroup", "remove": "trash-2",
    "grip": "grip-vertical", "add": "plus", "group": "parentheses", "undo": "undo-2", "redo": "redo-2", "close": "x",
    "error": "circle-alert", "open": "chevrons-up-down", "narrow": "list-filter", "window": "calendar-clock",
}  # fmt: skip


@require_GET
def fields(request: HttpRequest) -> HttpResponse:
    """The catalogue of fields, with the words and icons that a builder is drawn with."""
    of = _of(request)
    offered = offering.fields(of)
    others = {each["who"] for each in offered if each["who"]}
    return JsonResponse(
        {
            "of": of,
            "fields": offered,
            # Those of whom a question asks can themselves be asked for no others.
            "others": {each: [one for one in offering.fields(each) if not one["who"]] for each in others},
            "places": money.places(str(installation.get("currency"))),
            "currency": str(installation.get("currency")),
            "words": {name: str(word) for name, word in _words(of).items()},
            "icons": {name: icons.draw(icon, "small") for name, icon in ICONS.items()},
        }
    )


@rights.needs("edit")
@require_GET
def values(request: HttpRequest) -> HttpResponse:
    """The values in use of a field, or of a key of its `where`."""
    asked = request.GET
    found = offering.values_of(_of(request), asked.get("field", ""), asked.get("key", ""), asked.get("q", ""))
    return JsonResponse({"values": [{"value": value, "label": label} for value, label in found]})


@rights.needs("edit")
@require_POST
@never_cache
def check(request: HttpRequest) -> HttpResponse:
    """What a condition says, what is wrong with it, of how many it holds, and ten of them. Nothing is written.

    With `first` in the address the number may be an estimate; then `more` says that the exact one is to be asked for.

    For those who may write conditions: a count tells whether somebody with this very email is there.
    """
    of = _of(request)
    try:
        data = json.loads(request.body) if len(request.body) <= builder.LONGEST else None
    except (ValueError, RecursionError, RequestDataTooBig):
        data = "?"
    tried = trial.of(data, of=of, at=timezone.now() + LIVE, first="first" in request.GET)
    answer: dict[str, Any] = {
        "sentence": tried.sentence,
        "errors": [{"steps": error.steps, "reason": error.reason, "message": error.message} for error in tried.errors],
        "count": tried.count,
        "counted": "" if tried.count is None else counted(tried.count, of, tried.margin),
        "more": tried.margin is not None,
        "sample": [
            {"name": names.of(each), "detail": _detail(each), "url": each.get_absolute_url()}
            for each in _subjects(request, of, tried.sample)
        ],
        "trouble": tried.trouble,
    }
    return JsonResponse(answer)


def counted(count: int, of: str, margin: int | None = None) -> str:
    """So many people or accounts, in words; about so many, where there is a margin."""
    if margin is not None:
        told = {"shown": writing.number(count), "margin": writing.number(margin)}
        if not count:
            told_few = _("fewer than %(margin)s accounts") if of == "account" else _("fewer than %(margin)s people")
            return told_few % told
        about = (
            _("about %(shown)s ± %(margin)s accounts") if of == "account" else _("about %(shown)s ± %(margin)s people")
        )
        return about % told
    if of == "account":
        words = ngettext("%(shown)s account", "%(shown)s accounts", count)
    else:
        words = ngettext("%(shown)s person", "%(shown)s people", count)
    return words % {"shown": writing.number(count)}


def _of(request: HttpRequest) -> str:
    return "account" if request.GET.get("of") == "account" else "person"


def _subjects(request: HttpRequest, of: str, ids: list[int]) -> list[Person | Account]:
    rows: Any = Person.objects.select_related("account") if of == "person" else Account.objects.all()
    rows = sight.subjects(rows, request.user, "pk")
    found = {each.pk: each for each in rows.filter(pk__in=ids).annotate(external_id=querysets.external_id(of))}
    return [found[pk] for pk in ids if pk in found]


def _detail(subject: Person | Account) -> str:
    if isinstance(subject, Person):
        told = [subject.title, names.of(subject.account) if subject.account else "", subject.country]
    else:
        told = [subject.industry, subject.country]
    return " · ".join(each for each in told if each)


def _words(of: str) -> dict[str, Any]:
    return {
        "all": _("all of these hold"),
        "any": _("at least one of these holds"),
        "not_all": _("not all of these hold"),
        "none": _("none of these holds"),
        "join_all": _("and"),
        "join_any": _("or"),
        "everybody": _("Everybody, as no condition is set yet.")
        if of == "person"
        else _("Every account, as no condition is set yet."),
        "group": _("Group"),
        "who": _("Those of whom"),
        "others_person": _("Only people of whom"),
        "others_account": _("Only an account of which"),
        "any_others": _("Any, as no condition is set yet."),
        "mode": _("How the conditions of this group combine"),
        "empty_group": _("No condition here yet"),
        "condition": _("Condition %(n)s of %(of)s"),
        "group_of": _("Group %(n)s of %(of)s"),
        "negated": _("not"),
        "negate": _("Turn into its opposite"),
        "field": _("Field"),
        "choose_field": _("Choose what to ask …"),
        "operator": _("Comparison"),
        "value": _("Value"),
        "from": _("from"),
        "to": _("to"),
        "between_and": _("and"),
        "days": _("days"),
        "yes": _("yes"),
        "no": _("no"),
        "choose": _("Choose …"),
        "add_value": _("Add a value"),
        "remove_value": _("Remove “%(value)s”"),
        "no_match": _("Nothing in use matches; what you typed can be taken all the same."),
        "no_field": _("No field is called so."),
        "searching": _("Looking …"),
        "empty_value": _("(empty)"),
        "narrow": _("Only some of them"),
        "only": _("where"),
        "narrow_by": _("Narrow by"),
        "property": _("Property"),
        "property_name": _("Name of the property"),
        "is_one_of": _("is one of"),
        "stop_narrowing": _("No longer narrow by %(key)s"),
        "any_time": _("at any time"),
        "in_last": _("in the last"),
        "window": _("Time span"),
        "window_days": _("Days of the time span"),
        "add_condition": _("Condition"),
        "add_condition_long": _("Add a condition to this group"),
        "add_group": _("Group"),
        "add_group_long": _("Add a group to this group"),
        "up": _("Move up"),
        "down": _("Move down"),
        "copy": _("Duplicate"),
        "wrap": _("Put into a group of its own"),
        "unwrap": _("Dissolve the group, keep its conditions"),
        "remove": _("Remove"),
        "drag": _("Drag to another place"),
        "undo": _("Undo"),
        "redo": _("Redo"),
        "moved": _("Moved: now %(n)s of %(of)s in its group"),
        "removed": _("Removed. Ctrl Z brings it back."),
        "added": _("Added"),
        "copied": _("Duplicated"),
        "wrapped": _("Put into a group"),
        "unwrapped": _("The group is dissolved"),
        "undone": _("Undone"),
        "redone": _("Redone"),
        "counting": _("Counting …"),
        "unfinished": _("Not finished yet"),
        "uncounted": _("Counted once it is kept: it asks for something that is not there yet."),
        "sample": _("Some of them"),
        "unreachable": _("The server did not answer; the count comes with the next change."),
        "signed_out": _("You are signed out. Sign in in another tab, then change anything here."),
        "bad_json": _("This is no JSON yet, so nothing has changed above."),
        "keys": _("Alt ↑ ↓ moves a condition, Ctrl Z takes back, Ctrl Shift Z does again."),
        "nobody": _("Nobody") if of == "person" else _("No account"),
    }
