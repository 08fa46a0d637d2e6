"""The forms by which keys are made and webhooks are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from integrations import keys
from integrations.models import ApiKey, Webhook
from integrations.webhooks import events, keeping
from kit import outside, rights, users
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


class WebhookForm(forms.Form):
    """What a webhook is called, where it leads and what it is told."""

    name = forms.CharField(
        label=_("Name"), max_length=keeping.LONGEST_NAME, help_text=_("Whom it tells, such as “CRM” or “warehouse”.")
    )
    url = forms.CharField(
        label=_("Address"),
        max_length=outside.LONGEST,
        help_text=_("Of the open web, such as https://crm.example.com/hooks/perennial. Redirects are not followed."),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=list(events.WORDS.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Say what it is to be told.")},
    )

    def __init__(self, data: Any = None, *, hook: Webhook | None = None) -> None:
        initial = {"name": hook.name, "url": hook.url, "events": hook.events} if hook else None
        super().__init__(data, initial=initial)

    def groups(self) -> list[dict[str, Any]]:
        """The events by what they are about, each with its box."""
        chosen = set(self["events"].value() or ())
        return [
            {
                "words": words,
                "boxes": [{"value": each, "label": label, "checked": each in chosen} for each, label in those.items()],
            }
            for words, those in events.GROUPS
        ]


class RotateForm(forms.Form):
    """For how long the former secret of a webhook signs beside the new one."""

    HOURS = (("0", _("Not at all: it is known to somebody it should not be")), ("24", _("A day")), ("168", _("A week")))

    hours = forms.ChoiceField(label=_("The present secret goes on signing for"), choices=HOURS, initial="24")

    def clean_hours(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["hours"]))
