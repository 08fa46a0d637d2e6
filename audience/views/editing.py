"""Pages on which one person or account is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.models import Account, Person, Tag
from audience.subjects import accounts, byhand, exclusions, names, owners, people, querysets, sight, tags
from kit import audit, pages, rights, undo, users
from kit.sql import Sql, sql

OFFERED = 8  # accounts or tags that a field suggests at once

Verb = Callable[..., Any]
CREATE: dict[str, Verb] = {"person": people.create, "account": accounts.create}
CHANGE: dict[str, Verb] = {"person": people.change, "account": accounts.change}


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_new(request: HttpRequest) -> HttpResponse:
    """A new person, of an account when the address names one."""
    return _new(request, "person", {"account": _account_of(request)})


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The values of one person."""
    return _edit(request, Person, pk)


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_new(request: HttpRequest) -> HttpResponse:
    """A new account."""
    return _new(request, "account", {})


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The values of one account."""
    return _edit(request, Account, pk)


@require_GET
def account_choose(request: HttpRequest) -> HttpResponse:
    """The accounts that a chooser suggests for what was typed so far."""
    typed = next((request.GET[each] for each in ("q", "account", "parent", "partner") if request.GET.get(each)), "")
    found = querysets.quick_accounts(typed, OFFERED, request.user)
    offered = [(byhand.written_account(each), each) for each in found]
    return render(request, "audience/_account_options.html", {"offered": offered})


@require_POST
@rights.needs("note")
def person_tags(request: HttpRequest, pk: int) -> HttpResponse:
    """Put tags on a person, or take one off."""
    return _tags(request, sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None))


@require_POST
@rights.needs("note")
def account_tags(request: HttpRequest, pk: int) -> HttpResponse:
    """Put tags on an account, or take one off."""
    return _tags(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_POST
@rights.needs("people")
def person_owner(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a person to a user, or to nobody."""
    return _owner(request, sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None))


@require_POST
@rights.needs("people")
def account_owner(request: HttpRequest, pk: int) -> HttpResponse:
    """Give an account to a user, or to nobody."""
    return _owner(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_GET
def tags_there(request: HttpRequest) -> HttpResponse:
    """The tags that a field suggests for the last of those that were typed so far."""
    typed = request.GET.get("tags", "").replace("\x00", "")
    before, comma, last = typed.rpartition(",")
    found = Tag.objects.filter(name__icontains=last.strip()).order_by("name")[:OFFERED]
    offered = [f"{before}{comma} {each.name}".strip() for each in found]
    return render(request, "audience/_tag_options.html", {"offered": offered})


def _tags(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    asked, now, by = request.GET.dict() | request.POST.dict(), timezone.now(), audit.asker(request)
    given: dict[str, Any] = {"source": people.BY_HAND, "by": by, "now": now}
    slug = asked.get("remove", "").replace("\x00", "")
    try:
        added = tags.read(asked.get("tags", ""))
    except people.BadValue as bad:
        messages.error(request, bad.message)
        return redirect(pages.next_of(request, subject.get_absolute_url()))
    if added and tags.add(type(subject), _only(subject), added, **given):
        messages.success(request, _("Tagged: %(tags)s") % {"tags": ", ".join(added)})
    if slug and tags.remove(type(subject), _only(subject), [slug], **given):
        tag = Tag.objects.get(slug=slug)
        told = _("The tag “%(tag)s” was taken off.") % {"tag": tag}
        undo.offer(request, told, f"{request.path}?{urlencode({'tags': tag.name})}")
    return redirect(pages.next_of(request, subject.get_absolute_url()))


def _owner(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    said = request.POST.get("owner", request.GET.get("owner", ""))
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
    owner = users.to_choose(subject.owner_id).filter(pk=number).first()
    if said and owner is None:
        messages.error(request, _("Nothing was changed: that user does not exist or may not sign in any more."))
        return redirect(subject)
    was = subject.owner_id
    if owners.give(type(subject), _only(subject), owner, by=audit.asker(request), now=timezone.now()):
        told = _("%(owner)s looks after it now.") % {"owner": owner} if owner else _("Nobody looks after it now.")
        if gone := _gone(request, subject, told):
            return gone
        undo.offer(request, told, f"{request.path}?{urlencode({'owner': was or ''})}")
    return redirect(pages.next_of(request, subject.get_absolute_url()))


def _gone(request: HttpRequest, subject: Person | Account, told: str) -> HttpResponse | None:
    """Where to go on when what was done has put somebody out of the user's sight, and a word about it."""
    if sight.sees(request.user, [subject.pk]):
        return None
    messages.warning(request, told + " " + _("You do not see it any more: it belongs neither to you nor to your team."))
    return redirect("people" if isinstance(subject, Person) else "accounts")


def _rows(model: type[Person] | type[Account]) -> QuerySet[Any]:
    return model._default_manager.all()


def _only(subject: Person | Account) -> Sql:
    return sql("SELECT {}::bigint AS subject_id", subject.pk)


def _new(request: HttpRequest, of: str, initial: dict[str, Any]) -> HttpResponse:
    initial |= {"owner": request.user.pk}
    form = _form(of)(request.user, None, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        now, by = timezone.now(), audit.asker(request)
        try:
            with transaction.atomic():
                values = _filled(form.values())
                if not sight.everything(request.user):
                    values.setdefault("owner", by)  # else it would be gone before their eyes
                made = CREATE[of](values, source=people.BY_HAND, by=by, now=now)
                _leave_out(made, form, request, now)
        except people.BadValue as bad:
            _tell(form, bad)
        else:
            told = _("%(name)s is here now.") % {"name": names.of(made)}
            if gone := _gone(request, made, told):
                return gone
            messages.success(request, told)
            return redirect(made)
    return _page(request, form, of, None)


def _edit(request: HttpRequest, model: type[Person] | type[Account], pk: int) -> HttpResponse:
    """Write what the user changed, unless somebody else changed the same meanwhile."""
    of = "person" if model is Person else "account"
    found: Any = sight.get(_rows(model), request.user, pk=pk, erased_at=None)
    form = _form(of)(request.user, found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        now, by = timezone.now(), audit.asker(request)
        changed = False
        try:
            with transaction.atomic():
                there: Any = get_object_or_404(_rows(model).select_for_update(no_key=True), pk=pk, erased_at=None)
                settled = form.settled(there)
                if settled:
                    changed = CHANGE[of](there, form.values(), source=people.BY_HAND, by=by, now=now)
                    changed = _leave_out(there, form, request, now) or changed
        except people.BadValue as bad:
            _tell(form, bad)
        else:
            if settled:
                told = _("Saved. What was before is kept in the history.") if changed else _("Nothing was different.")
                if gone := _gone(request, found, told):
                    return gone
                messages.success(request, told)
                return redirect(found)
    return _page(request, form, of, found)


def _form(of: str) -> Any:
    return byhand.FORMS[of]


def _leave_out(subject: Person | Account, form: Any, request: HttpRequest, now: datetime) -> bool:
    said, reason = form.exclusion()
    if not said:
        return False
    return bool(exclusions.by_hand(type(subject), _only(subject), reason=reason, by=audit.asker(request), now=now))


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _tell(form: Any, bad: people.BadValue) -> None:
    """A value that cannot be is told at its field, or above all of them."""
    name = bad.field.replace("custom.", byhand.CUSTOM, 1)
    form.add_error(name if name in form.fields else None, bad.message)


def _page(request: HttpRequest, form: Any, of: str, subject: Person | Account | None) -> HttpResponse:
    words = {
        "person": (_("New person"), _("Edit %(name)s"), _("People"), "people"),
        "account": (_("New account"), _("Edit %(name)s"), _("Accounts"), "accounts"),
    }[of]
    context = {
        "form": form,
        "of": of,
        "subject": subject,
        "title": words[1] % {"name": names.of(subject)} if subject else words[0],
        "name": names.of(subject) if subject else "",
        "list_label": words[2],
        "list_url": reverse(words[3]),
        "back_url": subject.get_absolute_url() if subject else reverse(words[3]),
    }
    return render(request, "audience/edit.html", context, status=400 if form.is_bound else 200)


def _account_of(request: HttpRequest) -> Account | None:
    asked = request.GET.get("account", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        return None
    return sight.accounts(Account.objects.filter(pk=int(asked), erased_at=None), request.user).first()
