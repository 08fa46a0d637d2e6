"""The form by which a key is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from integrations import keys
from integrations.models import ApiKey
from kit import rights, users
from kit.api.access import READ, SCOPES, WRITE
from kit.models import User

LIFE = {"30": _("In 30 days"), "90": _("In 90 days"), "365": _("In a year"), "never": _("Never")}


class KeyForm(forms.Form):
    """What a new key is called, what it is for, and for how long. Administrators also say whose it is."""

    name = forms.CharField(
        label=_("Name"), max_length=60, help_text=_("What uses it, such as “warehouse sync”. It stands in the ledgers.")
    )
    user: Any = forms.ModelChoiceField(
        None,
        label=_("Acts as"),
        empty_label=None,
        help_text=_("It sees what this user sees, and may never do more than this user may."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("For"),
        choices=[(scope, scope) for scope in keys.all_scopes()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Say what the key is for.")},
    )
    life = forms.ChoiceField(label=_("Expires"), choices=list(LIFE.items()), initial="365")

    def __init__(self, data: Any = None, *, by: User) -> None:
        super().__init__(data, initial={"user": by.pk})
        self.by = by
        if rights.may(by, "administer"):
            self.fields["user"].queryset = users.to_choose()  # type: ignore[attr-defined]
        else:
            del self.fields["user"]

    def scope_rows(self) -> list[dict[str, Any]]:
        """The table of scopes: what each speaks of, with its box for reading and for writing."""
        chosen = set(self["scopes"].value() or ())
        return [
            {"words": words, "boxes": [_box(f"{scope}:{way}", way, chosen) for way in (READ, WRITE)]}
            for scope, words in SCOPES.items()
        ]

    def clean(self) -> dict[str, Any]:
        """One name for one key: a page of a secret that is loaded again makes no second key."""
        cleaned = super().clean() or {}
        named = ApiKey.objects.filter(user=cleaned.get("user", self.by), name=cleaned.get("name"), revoked_at=None)
        if named.exists():
            self.add_error("name", _("There is a key of this name already. Revoke it, or choose another name."))
        return cleaned

    def clean_life(self) -> timedelta | None:
        days = self.cleaned_data["life"]
        return None if days == "never" else timedelta(days=int(days))


def _box(scope: str, way: str, chosen: set[str]) -> dict[str, Any]:
    return {"value": scope, "label": _("Read") if way == READ else _("Read and write"), "checked": scope in chosen}
