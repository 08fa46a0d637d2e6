"""Links by which somebody chooses a password: signed, for one use, for a time, and kept nowhere.

Django's generator makes them out of what the first use changes: the password and the last sign-in. Ours adds the
generation, which a newer invitation raises, and whatever else ends all that somebody has open.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_encode
from django.utils.translation import ngettext

from kit import installation
from kit.models import User

KIND = "password link"  # of the notice into whose mail such a link is put
INVITED = timedelta(days=7)  # for somebody without a password; settings.PASSWORD_RESET_TIMEOUT is as long
FORGOTTEN = timedelta(hours=2)  # for somebody who has one


def lasts(user: User) -> timedelta:
    """How long a link for this user is good from when it was made."""
    return FORGOTTEN if user.has_usable_password() else INVITED


def in_words(span: timedelta) -> str:
    """A time for which a link is good, as it is told."""
    if span.days:
        return ngettext("%(n)s day", "%(n)s days", span.days) % {"n": span.days}
    hours = span.seconds // 3600
    return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}


class Generator(PasswordResetTokenGenerator):
    """Makes and checks what makes a link of ours good."""

    key_salt = "kit.links"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}|{user.generation}"

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Whether the link is good now, for a user whose access is open."""
        if not (user and token and user.is_active and super().check_token(user, token)):
            return False
        age = self._num_seconds(self._now()) - base36_to_int(token.partition("-")[0])
        return age <= lasts(user).total_seconds()


generator = Generator()


def password(user: User) -> str:
    """A new link by which this user chooses a password. It begins with the configured address, never a request's."""
    told = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": generator.make_token(user)}
    return installation.address() + reverse("password_set", kwargs=told)
