"""Pages of keys: which there are, making one, revoking one."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.cache import never_cache

from integrations import filters, forms, keys
from integrations.models import ApiKey
from kit import audit, pages, rights
from kit.models import User


class Keys(pages.ListPage):
    """The reader's own keys; for administrators everybody's."""

    filterset_class = filters.Keys
    columns = (
        pages.Column("name", gettext_lazy("Key"), sort="name", template="integrations/_key_name.html", whole=True),
        pages.Column("for", gettext_lazy("For"), value=keys.told_scopes),
        pages.Column("user", gettext_lazy("Acts as"), sort="user__email"),
        pages.Column("created_at", gettext_lazy("Made"), sort="created_at", desc_first=True),
        pages.Column("last_used_at", gettext_lazy("Last used"), sort="last_used_at", desc_first=True),
        pages.Column("expires_at", gettext_lazy("Expires"), sort="expires_at"),
        pages.Column("state", gettext_lazy("State"), template="integrations/_key_state.html"),
    )
    title = gettext_lazy("API keys")
    purpose = gettext_lazy("With a key another program reads and writes here, as one of your users.")
    counted = ngettext_lazy("%(shown)s key", "%(shown)s keys", "count")
    crumbs = ((gettext_lazy("Operations"), ""),)
    action = pages.Action(gettext_lazy("New key"), "api_key_new", right="keys")
    default_sort = "-created_at"
    file_name = "api-keys"
    empty_title = gettext_lazy("No key yet")
    empty_text = gettext_lazy("A key lets a program of yours read and write here: a warehouse, a website, a CRM.")
    empty_icon = "key-round"
    template_name = "integrations/keys.html"

    def rows(self) -> QuerySet[ApiKey]:
        assert isinstance(self.request.user, User)
        return keys.seen_by(self.request.user)

    def prepare(self, rows: list[ApiKey]) -> list[ApiKey]:
        now = timezone.now()
        for row in rows:
            row.state = keys.state(row, now)  # type: ignore[attr-defined]
        return rows


@never_cache
@rights.needs("keys")
def new(request: HttpRequest) -> HttpResponse:
    """A new key. Its secret is on the page that answers, and nowhere else ever after."""
    assert isinstance(request.user, User)
    form = forms.KeyForm(request.POST or None, by=request.user)
    if form.is_valid():
        now, given = timezone.now(), form.cleaned_data
        try:
            key, secret = keys.make(
                given["name"], given["scopes"], user=given.get("user") or request.user, by=request.user, now=now,
                expires_at=now + given["life"] if given["life"] else None,
            )  # fmt: skip
        except keys.Refused as refused:
            form.add_error(None, str(refused))
        else:
            context = {"key": key, "secret": secret, "told": keys.told_scopes(key), "crumbs": _crumbs(key)}
            return render(request, "integrations/key_made.html", context)
    context = {"form": form, "title": _("New key"), "crumbs": _crumbs(_("New key"))}
    return render(request, "integrations/key_new.html", context, status=400 if form.is_bound else 200)


def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke a key for ever, once somebody has read what that means."""
    assert isinstance(request.user, User)
    key = get_object_or_404(keys.seen_by(request.user), pk=pk)
    if request.method == "POST":
        if keys.revoke(key, by=audit.asker(request), now=timezone.now()):
            messages.success(request, _("“%(name)s” is revoked: whoever still uses it is refused.") % {"name": key})
        else:
            messages.info(request, _("It had been revoked before."))
        return redirect("api_keys")
    return render(request, "integrations/key_revoke.html", {"key": key, "crumbs": _crumbs(key)})


def _crumbs(here: object) -> list[tuple[str, str]]:
    return [(_("Operations"), ""), (_("API keys"), reverse("api_keys")), (str(here), "")]
