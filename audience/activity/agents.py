"""What a user agent tells: whether a machine speaks, and on what platform a human sits.

Known crawlers are those of the crawler-user-agents project; scanners of mail, libraries and previews are named here.
Nothing is asked of the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import crawleruseragents
import ua_parser

from audience.models import Activity

LONGEST = 1000  # letters of a user agent that are looked at
Actor = Activity.Actor

# Telephones of the make Cubot are none of them.
_MACHINES = re.compile(
    r"(?<!cu)bot\b|bot[/_-]|crawl|spider|slurp|scan|preview|prefetch|fetch|monitor|check|validat|headless|phantomjs"
    r"|selenium|curl|wget|libwww|python|aiohttp|httpx|okhttp|go-http|java/|apache-http|node|axios|guzzle|perl|ruby|php"
    r"|winhttp|barracuda|proofpoint|mimecast|symantec|messagelabs|trendmicro|fortinet|fireeye|trellix|forcepoint|sophos"
    r"|cisco|ironport|zscaler|kaspersky|virustotal|urlscan|safelinks|safebrowsing|slackbot|facebookexternal|whatsapp"
    r"|telegram|twitterbot|linkedin|skypeuri|discord|embedly",
    re.IGNORECASE,
)
_PROXIES = re.compile(r"googleimageproxy|ggpht|yahoomailproxy|yahoocachesystem|duckduckgo.*image", re.IGNORECASE)
_BARE = re.compile(r"Mozilla/5\.0\s*", re.ASCII)  # the whole of what Apple's privacy proxy says of itself
_BROWSER = re.compile(r"Mozilla/\d.*(Gecko|AppleWebKit|Trident|MSIE|Presto)|Opera/", re.ASCII)
# Within an app that shows pages, it is the human who looks: these are in what such apps add to a browser's name.
_IN_APP = re.compile(r"linkedinapp|whatsapp/\d.*(iphone|android)|FBAN|FBAV|Instagram", re.IGNORECASE)

_DESKTOPS = {"Windows", "Mac OS X", "Linux", "Ubuntu", "Fedora", "Debian", "FreeBSD", "OpenBSD", "NetBSD", "Solaris"}


@dataclass(frozen=True)
class Judged:
    """Who speaks (empty: it cannot be told), and on which platform (empty the same)."""

    actor: str = ""
    platform: str = ""


def is_machine(agent: str) -> bool:
    """Whether by its own account it is a crawler, a scanner, a library or a preview."""
    return _is_machine(agent[:LONGEST])


def is_proxy(agent: str) -> bool:
    """Whether it loads for humans, whether or not one looks: the privacy proxies of mail programs."""
    return bool(_PROXIES.search(agent) or _BARE.fullmatch(agent))


def is_browser(agent: str) -> bool:
    """Whether it calls itself a browser."""
    return bool(_BROWSER.search(agent))


@lru_cache(maxsize=20_000)
def judge(agent: str) -> Judged:
    """All that a user agent tells."""
    agent = agent.strip()[:LONGEST]
    if not agent:
        return Judged()
    if is_proxy(agent):
        return Judged(Actor.PROXY.value)
    if is_machine(agent):
        return Judged(Actor.BOT.value)
    return Judged(Actor.HUMAN.value if is_browser(agent) else "", _platform(agent))


@lru_cache(maxsize=20_000)
def _is_machine(agent: str) -> bool:
    if _IN_APP.search(agent) and is_browser(agent):
        return False
    return bool(_MACHINES.search(agent)) or crawleruseragents.is_crawler(agent)


def _platform(agent: str) -> str:
    said, told = agent.casefold(), ua_parser.parse(agent)
    family = told.os.family if told.os else ""
    device = f"{told.device.family} {told.device.brand}" if told.device else ""
    if "kiosk" in said:
        return "kiosk"
    if re.search(r"\btv\b|smart-?tv|\baft[a-z]", said):
        return ""
    if re.search(r"ipad|tablet|kindle|playbook|nexus 7|nexus 10", f"{said} {device.casefold()}"):
        return "tablet"
    if family == "Android":
        return "mobile" if "mobile" in said else "tablet"
    if re.search(r"iphone|ipod|mobi|blackberry|bb10|symbian|opera mini", said) or family in ("iOS", "Windows Phone"):
        return "mobile"
    if family == "Chrome OS":
        return "laptop"
    return "desktop" if family in _DESKTOPS else ""
