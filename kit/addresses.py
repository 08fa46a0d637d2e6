"""What an email address and a domain look like here: one form per address, in ASCII, so that equal ones are equal.

The patterns are read by Python and by PostgreSQL alike. A local part beyond ASCII is refused, never rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import idna
from django.utils.translation import gettext as _

LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
HOST = r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])"
EMAIL = f"^{LOCAL}@{HOST}$"
DOMAIN = f"^{HOST}$"
LONG_LABEL = r"[a-z0-9-]{64}"  # a label of a domain has 63 characters at most
LONGEST, LONGEST_LOCAL, LONGEST_DOMAIN = 254, 64, 253
MOST_HOSTS = 200  # of a list: each is held against everybody's address


class Refused(ValueError):
    """What stands in a list of domains and is none; the text names it."""


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


def hosts(told: Iterable[str], *, or_addresses: bool = False) -> list[str]:
    """Domains, or whole addresses too, as they are kept, sorted, each once; empty ones left away. Raises Refused."""
    plain = [ascii_domain(line) for each in told if (line := each.strip().lower().lstrip("@."))]
    if len(plain) > MOST_HOSTS:
        raise Refused(_("These are more than %(most)s domains.") % {"most": MOST_HOSTS})
    shapes = [DOMAIN, EMAIL] if or_addresses else [DOMAIN]
    wrong = [line for line in plain if not any(re.fullmatch(shape[1:-1], line) for shape in shapes)]
    if wrong:
        raise Refused(_("These are no domains: %(wrong)s") % {"wrong": ", ".join(wrong)[:300]})
    return sorted(set(plain))


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
