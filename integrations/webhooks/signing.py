"""Secrets of webhooks and the signatures made with them: version `v1` of Standard Webhooks, HMAC-SHA256."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

MARK = "whsec_"
BYTES = 32


def new_secret() -> str:
    """A secret that nobody has had."""
    return MARK + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def headers(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What is sent beside the body: one signature for each secret, so that either of two is enough to verify it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(key: str, signed: bytes) -> str:
    digest = hmac.new(base64.b64decode(key.removeprefix(MARK)), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
