"""Pages without sign-in: signing in and out, asking for a link, choosing a password by one."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from kit import access, audit, forms, links, throttle, visitors, writing


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """The sign-in page; whoever is signed in already goes on to where they wanted to go."""

    template_name = "kit/sign_in.html"
    authentication_form = forms.SignIn
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.htmx:  # type: ignore[attr-defined]
            # A part of a page was asked for, but the session is over: load the whole page, not a form inside it.
            return HttpResponse(headers={"HX-Refresh": "true"})
        return super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"now": timezone.now()}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"nobody": not access.anybody()}

    def form_invalid(self, form: Any) -> HttpResponse:
        answer = super().form_invalid(form)
        return _slowed(answer, form.wait) if form.wait else answer


class SignOut(LogoutView):
    """The end of a session."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = audit.asker(request)
        if user:
            audit.record("user.sign_out", user.email, by=user, now=timezone.now())
        return super().post(request, *args, **kwargs)


@never_cache
@login_not_required
@require_http_methods(["GET", "POST"])
def password_forgotten(request: HttpRequest) -> HttpResponse:
    """Asking for a link to a new password. What is answered is the same for whoever is here and whoever is not."""
    form = forms.Email(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            access.ask_for_link(form.cleaned_data["email"], address=visitors.address(request), now=timezone.now())
        except throttle.TooOften as often:
            return _too_often(request, often.wait)
        return redirect(f"{reverse('password_forgotten')}?asked=yes")
    context = {"form": form, "asked": request.GET.get("asked") == "yes", "lasts": links.in_words(links.FORGOTTEN)}
    return render(request, "kit/password_forgotten.html", context, status=400 if form.is_bound else 200)


@method_decorator(login_not_required, name="dispatch")
class ChoosePassword(PasswordResetConfirmView):
    """Choosing a password by a link. The link goes into the session first, so that no address of a page tells it."""

    form_class = forms.ChoosePassword
    template_name = "kit/password_choose.html"
    token_generator = links.generator
    reset_url_token = "choose"
    success_url = reverse_lazy("sign_in")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if kwargs["token"] == self.reset_url_token:
            return super().dispatch(request, *args, **kwargs)
        user = self.get_user(kwargs["uidb64"])
        try:
            access.follow_link(user, kwargs["token"], address=visitors.address(request), now=timezone.now())
        except throttle.TooOften as often:
            return _too_often(request, often.wait)
        answer = super().dispatch(request, *args, **kwargs)
        if answer.status_code == 302:
            request.session.cycle_key()  # whoever knew the session before does not know the link
        answer["Referrer-Policy"] = "no-referrer"
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        token = self.request.session.pop(INTERNAL_RESET_SESSION_TOKEN)
        password, address = form.cleaned_data["new_password1"], visitors.address(self.request)
        assert self.user is not None  # dispatch has checked the link, which names one
        try:
            access.choose_password(self.user, token, password, address=address, now=timezone.now())
        except access.Refused as refused:
            messages.error(self.request, str(refused))
            return redirect("password_forgotten")
        messages.success(self.request, _("Your password is chosen. Sign in with it."))
        return redirect("sign_in")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context | {"whose": self.user} if context["validlink"] else context

    def render_to_response(self, context: dict[str, Any], **response: Any) -> HttpResponse:
        if not context["validlink"]:
            response["status"] = 400
        return super().render_to_response(context, **response)


def _too_often(request: HttpRequest, wait: timedelta) -> HttpResponse:
    return _slowed(render(request, "kit/too_often.html", {"wait": writing.span(wait)}), wait)


def _slowed(answer: HttpResponse, wait: timedelta) -> HttpResponse:
    answer.status_code = 429
    answer["Retry-After"] = str(math.ceil(wait.total_seconds()))
    return answer
