"""The page of one's own: name, language, zone, password, and where one signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from kit import access, forms, throttle, visitors, writing
from kit.models import AuditEntry, User

LATEST = 8  # sign-ins that are shown


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """What one says of oneself."""
    user = _self(request)
    form = forms.Profile(request.POST or None, initial={name: getattr(user, name) for name in access.OWN})
    if request.method == "POST" and form.is_valid():
        if access.change_own(user, form.cleaned_data, now=timezone.now()):
            messages.success(request, _("Your profile is kept."))
        return redirect("profile")
    return _page(request, form, forms.ChangePassword(user))


@require_POST
def away(request: HttpRequest) -> HttpResponse:
    """When one is out of office, and who stands in."""
    user = _self(request)
    form = forms.Away(request.POST, of=user)
    if form.is_valid():
        told = form.cleaned_data
        try:
            if access.be_away(user, told["first"], told["last"], told["deputy"], by=user, now=timezone.now()):
                messages.success(request, _("Your absence is kept."))
            return redirect("profile")
        except access.Refused as refused:
            form.add_error("last", str(refused))
    return _page(request, _profile(user), forms.ChangePassword(user), form)


@sensitive_post_parameters()
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """A new password; this session stays, all others end. Guessing the present one slows down as at the sign-in."""
    user, now = _self(request), timezone.now()
    counted = access.pair(user.email, visitors.address(request))
    try:
        claim = throttle.claim(counted, now=now)
    except throttle.TooOften as often:
        messages.error(request, _("Too many attempts. Wait %(wait)s.") % {"wait": writing.span(often.wait)})
        return redirect("profile")
    form = forms.ChangePassword(user, request.POST)
    good = form.is_valid()
    if "old_password" not in form.errors:
        throttle.give_back(claim, counted, now=now)
    if good:
        changed = access.change_password(user, form.cleaned_data["new_password1"], now=now)
        update_session_auth_hash(request, changed)
        messages.success(request, _("Your password is changed. Everywhere else you are signed out."))
        return redirect("profile")
    return _page(request, _profile(user), form)


@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """End all one's sessions but this."""
    user = _self(request)
    update_session_auth_hash(request, access.sign_out_everywhere(user, by=user, now=timezone.now()))
    messages.success(request, _("Everywhere else you are signed out."))
    return redirect("profile")


def _self(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _profile(user: User) -> forms.Profile:
    return forms.Profile(initial={name: getattr(user, name) for name in access.OWN})


def _page(
    request: HttpRequest, form: forms.Profile, password_form: forms.ChangePassword, away_form: forms.Away | None = None
) -> HttpResponse:
    user = _self(request)
    away_form = away_form or forms.Away(of=user)
    context = {
        "form": form,
        "password_form": password_form,
        "away_form": away_form,
        "sign_ins": AuditEntry.objects.filter(user=user, action="user.sign_in").order_by("-at", "-pk")[:LATEST],
        "crumbs": [(_("Your profile"), "")],
    }
    bound = form.is_bound or password_form.is_bound or away_form.is_bound
    return render(request, "kit/profile.html", context, status=400 if bound else 200)
