"""Where a request comes from: the address that the nearest machine we trust has seen, and the browser it names."""

from __future__ import annotations

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

LONGEST = 200  # letters of what a browser says of itself that are kept
# What tells browsers and systems apart. The first that fits counts: most say that they are what others are, too.
BROWSERS = {
    r"Edg\w*/(\d+)": "Edge", r"OPR/(\d+)": "Opera", r"(?:Firefox|FxiOS)/(\d+)": "Firefox",
    r"(?:Chrome|CriOS)/(\d+)": "Chrome", r"Version/(\d+).* Safari/": "Safari",
}  # fmt: skip
SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "CrOS": "ChromeOS",
    "Mac OS X": "macOS", "Linux": "Linux",
}  # fmt: skip


def address(request: HttpRequest) -> str:
    """The address of who asks; "" when none is known.

    Behind `TRUST_PROXY` proxies it is the one that the outermost of them wrote into X-Forwarded-For, counted from the
    right: whatever stands before it was written by the visitor, and is worth nothing.
    """
    seen = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        told = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if each.strip()]
        if len(told) >= settings.TRUSTED_PROXIES:
            seen = told[-settings.TRUSTED_PROXIES]
    try:
        return str(ipaddress.ip_address(seen))
    except ValueError:
        return ""


def neighbourhood(address: str) -> str:
    """What one visitor has to itself: an address, or of IPv6 the network of 64 bits that every line is given."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def browser(request: HttpRequest) -> str:
    """What the browser says it is, shortened."""
    told = request.META.get("HTTP_USER_AGENT", "")
    return "".join(letter for letter in told if letter.isprintable())[:LONGEST]


def known_as(browser: str) -> str:
    """A browser by the name that people know it by, such as “Firefox 140, Linux”; what it says itself when unknown."""
    names = (f"{name} {found[1]}" for sign, name in BROWSERS.items() if (found := re.search(sign, browser)))
    systems = (name for sign, name in SYSTEMS.items() if sign in browser)
    name, system = next(names, ""), next(systems, "")
    return f"{name}, {system}" if name and system else name or browser
