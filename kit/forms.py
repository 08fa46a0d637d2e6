"""Forms of the kit: sign-in, and how every form of the product is drawn."""

from __future__ import annotations

from typing import Any

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
