"""Secrets of others that must be kept readable, such as a mail server's password: encrypted at rest, never shown.

The key comes from the installation's own secret. To change that, put the new one into SECRET_KEY and the old one into
SECRET_KEY_FALLBACKS: what was sealed under an old key still opens, and is sealed under the new one when next saved.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(ValueError):
    """What was sealed cannot be opened: the installation's secret is another than when it was kept."""


def seal(secret: str) -> str:
    """The secret as it may stand in the database; the empty one stays empty."""
    return _keys().encrypt(secret.encode()).decode() if secret else ""


def opened(sealed: str) -> str:
    """The secret itself. Raises Unreadable."""
    if not sealed:
        return ""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_key(each)) for each in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"perennial sealed secrets:" + secret.encode()).digest())
