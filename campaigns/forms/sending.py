"""Forms of how mail leaves, and of how much one person gets."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns import channels
from campaigns.models import ChannelSetting

LOCAL = ("localhost", "127.0.0.1", "::1")


CONNECTIONS = 4  # to a mail server, of each worker, unless somebody says otherwise


class ChannelSettings(forms.Form):
    """How email leaves. A password is written, never shown; it stays with the server that it was written for."""

    SECURITY = [
        ("starttls", _("Encrypted after the greeting (STARTTLS), mostly port 587")),
        ("tls", _("Encrypted from the start (TLS), mostly port 465")),
        ("none", _("Not encrypted, only within your own network")),
    ]
    OF_SERVER = ("host", "port", "security", "user")

    provider = forms.ChoiceField(label=_("Carried by"), widget=forms.RadioSelect)
    host = forms.CharField(
        label=_("Server"), max_length=253, required=False, help_text=_("Its name, such as smtp.example.com.")
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, required=False, initial=587)
    security = forms.ChoiceField(label=_("Connection"), choices=SECURITY, required=False, initial="starttls")
    user = forms.CharField(
        label=_("User name"), max_length=200, required=False, help_text=_("Nothing: the server takes mail without it.")
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Kept encrypted and never shown again."),
    )
    connections = forms.IntegerField(
        label=_("Connections at once"),
        min_value=1,
        max_value=20,
        required=False,
        help_text=_("Of each of the workers that send. A server far away takes more mail over several."),
    )
    batch = forms.IntegerField(
        label=_("Messages in the air"),
        min_value=1,
        max_value=500,
        help_text=_("On one connection. So many at most are “perhaps sent” after a crash; fewer is safer and slower."),
    )

    def __init__(self, data: Any = None, *, setting: ChannelSetting) -> None:
        told = {
            "provider": setting.provider, "batch": setting.batch, "port": 587, "security": "starttls",
            "connections": CONNECTIONS,
        }  # fmt: skip
        super().__init__(data, initial=told | setting.settings)
        self.setting = setting
        provider: Any = self.fields["provider"]
        provider.choices = [(kind.name, kind.label) for kind in channels.kinds().values()]
        if setting.secret:
            self.fields["password"].help_text = _("One is kept. Leave this empty to keep it; it is never shown.")

    def clean_host(self) -> str:
        host = self.cleaned_data["host"].strip().lower()
        if host and (not re.fullmatch(r"[a-z0-9:]([a-z0-9.:-]*[a-z0-9])?", host) or re.search(r"\.\.|[^.]{64}", host)):
            raise forms.ValidationError(_("This is no name of a server. Write it as smtp.example.com, without a port."))
        return host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("provider") != "smtp" or self.errors:
            return cleaned
        if not cleaned.get("host"):
            self.add_error("host", _("Name the server."))
        if not cleaned.get("port"):
            self.add_error("port", _("Name the port, mostly 587."))
        kept = bool(self.setting.secret)
        if cleaned.get("user") and not cleaned.get("password"):
            if not kept:
                self.add_error("password", _("Write the password that belongs to this name."))
            elif self._goes_elsewhere(cleaned):
                self.add_error("password", _("Write the password again: the one that is kept is another server's."))
        if cleaned.get("user") and cleaned.get("security") == "none" and cleaned.get("host") not in LOCAL:
            self.add_error("security", _("A password is only sent over an encrypted connection. Choose one."))
        return cleaned

    def _goes_elsewhere(self, cleaned: dict[str, Any]) -> bool:
        """Whether the password that is kept would be told to somebody else, or less safely."""
        kept = self.setting.settings
        return any(cleaned.get(name) != kept.get(name) for name in self.OF_SERVER)

    def settings(self) -> dict[str, Any]:
        """What is to be kept of the server."""
        if self.cleaned_data["provider"] != "smtp":
            return self.setting.settings
        connections = self.cleaned_data["connections"] or CONNECTIONS
        return {name: self.cleaned_data[name] for name in self.OF_SERVER} | {"connections": connections}

    def new_password(self) -> str | None:
        """The password to keep from now on; None: the one that is kept."""
        if self.cleaned_data["provider"] == "smtp" and not self.cleaned_data["user"]:
            return ""
        return self.cleaned_data["password"] or None


class FrequencyCap(forms.Form):
    """How much one person gets of all campaigns together."""

    messages = forms.IntegerField(
        label=_("At most so many messages"),
        min_value=1,
        max_value=1000,
        required=False,
        help_text=_("Nothing: no limit."),
    )
    days = forms.IntegerField(label=_("Within days"), min_value=1, max_value=365, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("messages") and not cleaned.get("days"):
            self.add_error("days", _("Say within how many days."))
        return cleaned

    def cap(self) -> dict[str, int]:
        """The setting: empty when there is no limit."""
        told = self.cleaned_data
        return {"messages": told["messages"], "days": told["days"]} if told["messages"] else {}
