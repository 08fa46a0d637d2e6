"""Forms of the kit: sign-in, and what is set for the whole installation."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignIn(AuthenticationForm):
    """Email and password. The answer never says which of the two was wrong."""

    error_messages = {
        "invalid_login": _("This email and password do not belong together. Mind capitals in the password."),
        "inactive": _("This access was closed. An administrator can open it again."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Email")
        self.fields["username"].widget.input_type = "email"
        self.fields["username"].widget.attrs |= {"inputmode": "email", "spellcheck": "false"}

    def clean_username(self) -> str:
        """Emails are kept in small letters."""
        return self.cleaned_data["username"].strip().lower()


class Installation(forms.Form):
    """What is set once for everybody. Each field is named as the setting it writes."""

    company = forms.CharField(label=_("Company"), max_length=200, required=False)
    zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Days begin at midnight there. Times in imported files that name no zone are read in it."),
        choices=[(name, name) for name in sorted(available_timezones()) if "/" in name or name == "UTC"],
    )
    currency = forms.CharField(
        label=_("Currency"), max_length=3, help_text=_("Three letters, such as EUR, for amounts that name no other.")
    )

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if not re.fullmatch("[A-Z]{3}", code):
            raise forms.ValidationError(_("A currency has three letters, such as EUR."))
        return code
