"""What an email address and a domain look like here: one form per address, in ASCII, so that equal ones are equal.

The patterns are read by Python and by PostgreSQL alike. A local part beyond ASCII is refused, never rewritten.
"""

from __future__ import annotations

import re

import idna

LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
HOST = r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])"
EMAIL = f"^{LOCAL}@{HOST}$"
DOMAIN = f"^{HOST}$"
LONG_LABEL = r"[a-z0-9-]{64}"  # a label of a domain has 63 characters at most
LONGEST, LONGEST_LOCAL, LONGEST_DOMAIN = 254, 64, 253


def email(text: str) -> str | None:
    """The address as it is kept: trimmed, lower case, its domain in ASCII. None when it is no address."""
    told = ascii_domain(text.strip())
    if not told.isascii():
        return None  # before capitals go: some letters of other scripts become ASCII with them
    told = told.lower()
    local = told.partition("@")[0]
    fits = len(told) <= LONGEST and len(local) <= LONGEST_LOCAL and not re.search(LONG_LABEL, told.rpartition("@")[2])
    return told if fits and re.fullmatch(EMAIL[1:-1], told, re.ASCII) else None


def domain(text: str) -> str | None:
    """The domain as it is kept: lower case, in ASCII. None when it is none."""
    told = ascii_domain(text.strip()).lower()
    fits = len(told) <= LONGEST_DOMAIN and not re.search(LONG_LABEL, told)
    return told if fits and re.fullmatch(DOMAIN[1:-1], told, re.ASCII) else None


def ascii_domain(text: str) -> str:
    """An email or web address with its domain in ASCII; as it was when there is nothing to do or the domain is none."""
    if text.isascii():
        return text
    local, at, domain = text.strip().rpartition("@")
    scheme, slashes, host = domain.rpartition("://")
    host, slash, path = host.partition("/")
    try:
        return f"{local}{at}{scheme}{slashes}{idna.encode(host, uts46=True).decode()}{slash}{path}"
    except idna.IDNAError:
        return text
