"""Pages of users, teams and roles, for administrators."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from kit import access, audit, filters, forms, links, pages, rights, teams, users
from kit.models import AuditEntry, Team, User

AREA = ((_("Operations"), ""),)
WITHIN = (*AREA, (_("Users and roles"), "/operations/users/"))
LATEST = 8  # entries of the trail on a user's page


def _tabs(here: str) -> list[dict[str, Any]]:
    named = (("users", _now("Users")), ("teams", _now("Teams")), ("roles", _now("Roles")))
    return [{"label": label, "url": reverse(name), "current": name == here} for name, label in named]


@method_decorator(rights.needs("administer"), name="dispatch")
class Users(pages.ListPage):
    """Everybody who may sign in, was invited to, or could once."""

    queryset = User.objects.select_related("team")
    filterset_class = filters.Users
    template_name = "kit/users.html"
    columns = (
        pages.Column("name", _("User"), sort="name", value="__str__", template="kit/_user_name.html", whole=True),
        pages.Column("role", _("Role"), sort="role", value="get_role_display"),
        pages.Column("team", _("Team"), sort="team__name", value="team.name"),
        pages.Column("state", _("Access"), value=users.state, template="kit/_user_state.html"),
        pages.Column("last_login", _("Last sign-in"), sort="last_login", desc_first=True),
        pages.Column("invited_at", _("Invited"), sort="invited_at", desc_first=True),
    )
    title = _("Users and roles")
    purpose = _("Who may sign in, and as what. An access is closed, never deleted: what somebody did stays theirs.")
    counted = ngettext_lazy("%(shown)s user", "%(shown)s users", "count")
    crumbs = AREA
    action = pages.Action(_("Invite somebody"), "user_invite", "user-plus")
    default_sort = "name"
    file_name = "users"
    empty_icon = "users"

    def context(self) -> dict[str, Any]:
        return {"tabs": _tabs("users")}


@method_decorator(rights.needs("administer"), name="dispatch")
class Teams(pages.ListPage):
    """The teams that users are in."""

    queryset = Team.objects.all()
    template_name = "kit/users.html"
    columns = (
        pages.Column("name", _("Team"), sort="name", link=True),
        pages.Column("members", _("Users"), sort="members", align="end", template="kit/_team_users.html"),
    )
    title = _("Teams")
    purpose = _("Who works together. A salesperson sees the people of their own team.")
    counted = ngettext_lazy("%(shown)s team", "%(shown)s teams", "count")
    crumbs = WITHIN
    action = pages.Action(_("New team"), "team_new")
    default_sort = "name"
    file_name = "teams"
    empty_title = _("No team yet")
    empty_text = _("Make one, then give it to users. Tasks and hand-offs can go to a team.")
    empty_icon = "users"

    def rows(self) -> QuerySet[Team]:
        return Team.objects.annotate(members=Count("user"))

    def context(self) -> dict[str, Any]:
        return {"tabs": _tabs("teams")}


@rights.needs("administer")
@require_GET
def roles(request: HttpRequest) -> HttpResponse:
    """What each role may do."""
    table = [
        (rights.WORDS[right], [(label, role in held) for role, label in User.Role.choices])
        for right, held in rights.RIGHTS.items()
    ]
    context = {
        "title": _now("Roles"),
        "table": table,
        "roles": [label for _role, label in User.Role.choices],
        "tabs": _tabs("roles"),
        "crumbs": [*WITHIN, (_now("Roles"), "")],
    }
    return render(request, "kit/roles.html", context)


# ---- one user ----


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def user(request: HttpRequest, pk: int) -> HttpResponse:
    """One user: role, team, export, and the state of the access."""
    found = _user(pk)
    form = _given(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            if access.change(found, form.cleaned_data, by=audit.asker(request), now=timezone.now()):
                messages.success(request, _now("The changes hold from the user’s next step on."))
            return redirect(found)
        except access.Refused as refused:
            form.add_error("role", str(refused))
    return _user_page(request, found, form)


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def user_invite(request: HttpRequest) -> HttpResponse:
    """Somebody new; the answer shows their link, this once."""
    form = forms.Invitation(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = access.invite(**form.cleaned_data, by=audit.asker(request), now=timezone.now())
            return _link_page(request, made)
        except access.Refused as refused:
            form.add_error("email", str(refused))
    title = _now("Invite somebody")
    context = {"form": form, "title": title, "crumbs": [*WITHIN, (title, "")]}
    return render(request, "kit/user_invite.html", context, status=400 if form.is_bound else 200)


@require_POST
@rights.needs("administer")
def user_link(request: HttpRequest, pk: int) -> HttpResponse:
    """The invitation again, or a link to a new password; the answer shows it, this once."""
    found = _user(pk)
    try:
        return _link_page(request, access.send_link(found, by=audit.asker(request), now=timezone.now()))
    except access.Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)


@require_POST
@rights.needs("administer")
def user_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an access."""
    found = _user(pk)
    try:
        if access.close(found, by=audit.asker(request), now=timezone.now()):
            messages.success(request, _now("The access is closed, and whatever was open with it has ended."))
    except access.Refused as refused:
        messages.error(request, str(refused))
    return redirect(found)


@require_POST
@rights.needs("administer")
def user_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a closed access again."""
    found = _user(pk)
    if access.reopen(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("The access is open again, with the password that it had."))
    return redirect(found)


@require_POST
@rights.needs("administer")
def user_sign_out(request: HttpRequest, pk: int) -> HttpResponse:
    """End all that a user has open; an administrator's own session stays."""
    found = access.sign_out_everywhere(_user(pk), by=audit.asker(request), now=timezone.now())
    if found == request.user:
        update_session_auth_hash(request, found)
    messages.success(request, _now("Signed out on every machine."))
    return redirect(found)


@require_POST
@rights.needs("administer")
def user_away(request: HttpRequest, pk: int) -> HttpResponse:
    """When somebody is out of office who cannot say so themselves, and who stands in."""
    found = _user(pk)
    away = forms.Away(request.POST, of=found)
    if away.is_valid():
        told = away.cleaned_data
        by = audit.asker(request)
        try:
            if access.be_away(found, told["first"], told["last"], told["deputy"], by=by, now=timezone.now()):
                messages.success(request, _now("The absence is kept."))
            return redirect(found)
        except access.Refused as refused:
            away.add_error("last", str(refused))
    return _user_page(request, found, _given(found), away)


# ---- one team ----


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def team_new(request: HttpRequest) -> HttpResponse:
    """A new team."""
    form = forms.Team(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = teams.create(form.cleaned_data["name"], by=audit.asker(request), now=timezone.now())
            messages.success(request, _now("The team “%(name)s” is there. Give it to users.") % {"name": made})
            return redirect("teams")
        except teams.Refused as refused:
            form.add_error("name", str(refused))
    return _team_page(request, form, None)


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def team(request: HttpRequest, pk: int) -> HttpResponse:
    """One team: its name, and who is in it."""
    found = get_object_or_404(Team, pk=pk)
    form = forms.Team(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        try:
            if teams.rename(found, form.cleaned_data["name"], by=audit.asker(request), now=timezone.now()):
                messages.success(request, _now("The team is called so now."))
            return redirect("teams")
        except teams.Refused as refused:
            form.add_error("name", str(refused))
    return _team_page(request, form, found)


@require_POST
@rights.needs("administer")
def team_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a team that nobody is in."""
    found = get_object_or_404(Team, pk=pk)
    try:
        teams.remove(found, by=audit.asker(request), now=timezone.now())
    except teams.Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    messages.success(request, _now("The team “%(name)s” is removed.") % {"name": found})
    return redirect("teams")


# ---- drawing ----


def _user(pk: int) -> User:
    return get_object_or_404(User.objects.select_related("team"), pk=pk)


def _given(found: User, data: Any = None) -> forms.GivenUser:
    return forms.GivenUser(data, initial={name: getattr(found, name) for name in access.GIVEN})


def _user_page(
    request: HttpRequest, found: User, form: forms.GivenUser, away: forms.Away | None = None
) -> HttpResponse:
    away = away or forms.Away(of=found)
    context = {
        "whom": found,
        "form": form,
        "away": away,
        "state": users.state(found),
        "by_role": found.role in rights.RIGHTS["export"],
        "is_self": found == request.user,
        "latest": AuditEntry.objects.filter(user=found).order_by("-at", "-pk")[:LATEST],
        "crumbs": [*WITHIN, (str(found), "")],
    }
    return render(request, "kit/user.html", context, status=400 if form.is_bound or away.is_bound else 200)


def _link_page(request: HttpRequest, whom: User) -> HttpResponse:
    context = {
        "whom": whom,
        "link": links.password(whom),
        "lasts": links.in_words(links.lasts(whom)),
        "is_invited": users.state(whom) == users.INVITED,
        "crumbs": [*WITHIN, (str(whom), whom.get_absolute_url()), (_now("Link"), "")],
    }
    return render(request, "kit/user_link.html", context)


def _team_page(request: HttpRequest, form: forms.Team, found: Team | None) -> HttpResponse:
    title = str(found) if found else _now("New team")
    context = {
        "form": form,
        "team": found,
        "members": found.user_set.order_by("name", "email") if found else [],
        "title": title,
        "crumbs": [*WITHIN, (_now("Teams"), reverse("teams")), (title, "")],
    }
    return render(request, "kit/team.html", context, status=400 if form.is_bound else 200)
