"""By which channel somebody came: read from the referrer, and from what the address was tagged with (UTM, click ids).

What a tag says goes before what the referrer says, because whoever tagged the link knew. The order and the mediums
are those of the default channel groups that web analytics has in common. `referrers.txt` has the hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kit import addresses

LONGEST = 4000  # letters of an address that are looked at
PARTS = 5  # of a host's name that are looked up
TAGS = ("utm_source", "utm_medium", "utm_campaign")
# Click ids are put on by the network that was paid; fbclid is not, as it is on every link out of Facebook.
CLICK_IDS = {
    **dict.fromkeys(("gclid", "gbraid", "wbraid", "msclkid", "yclid", "gad_source"), "paid_search"),
    **dict.fromkeys(("ttclid", "li_fat_id", "twclid", "rdt_cid", "epik", "sccid"), "paid_social"),
    "dclid": "display",
}
# Webmail is told by what its hosts are called the world over, and is in no list; so are the networks of advertising.
MAIL = re.compile(
    r"^((web|w|upc|light)?e?mail(er|business)?[\w-]*|messagerie\w*|inbox|navigator|rich-v\d+|3c(-\w+)?|outlook|hotmail)\."
    r"(?!com$)|^deref-[\w-]+\.|^(hotmail|mail)\.\w+$|^(e|[\w.-]+)\.mail\.(yahoo|ru$|live\.com$)|^com\.google\.android\.gm$"
)
NO_MAIL = re.compile(r"^(go|my|news|search|otvet)\.mail\.ru$")
ADS = ("googleadservices.com", "doubleclick.net", "googlesyndication.com", "ads.linkedin.com", "outbrain.com",
       "taboola.com", "criteo.com", "adnxs.com", "adform.net", "adroll.com", "bidswitch.net", "casalemedia.com",
       "2mdn.net", "acuityplatform.com")  # fmt: skip
OURS = {
    "syndicatedsearch.goog": "paid_search", "adsensecustomsearchads.com": "paid_search",
    "aolsearch.com": "organic_search", "character.ai": "ai_assistant", "poe.com": "ai_assistant",
    "you.com": "ai_assistant", "pi.ai": "ai_assistant", "phind.com": "ai_assistant",
}  # fmt: skip
# Of search engines: what is no search there.
NO_SEARCH = re.compile(
    r"^((support|developers|maps|accounts|drive|sites|groups|docs|play|meet|calendar|photos|news|translate)\."
    r"google\.|(finance|news|sports|eurosport|astrology|answers)\.yahoo\.)"
)
PAID = re.compile(r"(^|_)(cpc|ppc|cpm|cpv|cpa|cpp|retargeting|remarketing|paid)($|_)|^paid")
MEDIUMS: Mapping[str, str] = {
    **dict.fromkeys(("email", "e_mail", "mail", "newsletter", "mailing"), "email"),
    **dict.fromkeys(("organic", "seo"), "organic_search"),
    **dict.fromkeys(
        ("social", "social_network", "social_media", "sm", "social_organic", "organic_social", "post", "story"),
        "organic_social",
    ),
    **dict.fromkeys(("display", "banner", "expandable", "interstitial", "cpm", "native", "programmatic"), "display"),
    **dict.fromkeys(("video", "cpv", "preroll"), "video"),
    **dict.fromkeys(("affiliate", "affiliates"), "affiliate"),
    **dict.fromkeys(("referral", "link", "app"), "referral"),
    **dict.fromkeys(("sms", "text", "mms"), "sms"),
    **dict.fromkeys(("push", "web_push", "mobile_push", "notification", "in_app"), "push"),
    **dict.fromkeys(("print", "offline", "direct_mail", "letter", "brochure", "qr", "qrcode", "qr_code"), "mail"),
    **dict.fromkeys(("event", "trade_show", "conference"), "event"),
    **dict.fromkeys(("ai", "chatbot", "llm", "ai_assistant"), "ai_assistant"),
    "audio": "broadcast", "webinar": "webinar", "partner": "partner", "chat": "chat", "community": "community",
    "whatsapp": "messaging",
}  # fmt: skip


@lru_cache(maxsize=20_000)
def channel(referrer: str | None, url: str | None = "", source: str = "", medium: str = "") -> str:
    """The slug of the channel; "" where nothing tells it, or where somebody only went on from page to page.

    `referrer` is None where it was not said, and "" where there was none: whoever then came at an address came
    directly. `source` and `medium` are the tags, where they were told by themselves; else those of `url` count.
    """
    place, came_from = _parts(url or ""), _parts(referrer or "")
    tags = _tags(place.query if place else "")
    source, medium = _key(source or tags.get("utm_source", "")), _key(medium or tags.get("utm_medium", ""))
    if tagged := _by_tags(source, medium, _host(came_from)):
        return tagged
    if clicked := next((CLICK_IDS[each] for each in tags if each in CLICK_IDS), ""):
        return clicked
    if source and (known := _of_source(source)):
        return known
    if came_from is None:
        return "direct" if referrer == "" and url and place else ""
    if _host(place) and _site(_host(came_from)) == _site(_host(place)):
        return ""
    return _by_referrer(_host(came_from), came_from.path)


def of_properties(properties: Mapping[str, Any]) -> str:
    """The channel that an activity's properties tell: `referrer`, `url` (or `page_url`), `utm_source`, `utm_medium`."""
    told = {name: properties.get(name) for name in ("referrer", "referer", "url", "page_url", *TAGS)}
    text = {name: value[:LONGEST] for name, value in told.items() if isinstance(value, str)}
    if not text:
        return ""
    referrer = text.get("referrer", text.get("referer"))
    where = text.get("url") or text.get("page_url", "")
    return channel(referrer, where, text.get("utm_source", ""), text.get("utm_medium", ""))


def _by_tags(source: str, medium: str, host: str) -> str:
    if not medium:
        return ""
    if "search" in medium and PAID.search(medium):
        return "paid_search"
    if "social" in medium and PAID.search(medium):
        return "paid_social"
    if medium in MEDIUMS:
        return MEDIUMS[medium]
    if not PAID.search(medium):
        return ""
    kind = _of_source(source) or _by_referrer(host, "")
    return {"organic_social": "paid_social", "organic_search": "paid_search"}.get(kind, "paid_search" if medium in (
        "cpc", "ppc") else "display")  # fmt: skip


def _of_source(source: str) -> str:
    """The channel that a source such as “google” or “linkedin.com” is of."""
    if not source:
        return ""
    if source in ("newsletter", "email", "mailing"):
        return "email"
    return _named().get(source.partition("_com")[0], "")


def _by_referrer(host: str, path: str) -> str:
    if not host:
        return ""
    names = [".".join(host.split(".")[start:]) for start in range(max(0, host.count(".") + 1 - PARTS), host.count("."))]
    names = [host, *names] if host.count(".") + 1 > PARTS else names or [host]
    if MAIL.search(host) and not NO_MAIL.search(host):
        return "email"
    if any(name in ADS for name in names):
        return "display"
    first = path.strip("/").partition("/")[0]
    for name in names:
        for each in (f"{name}/{first}", name, *_any_country(name)):
            found = _known().get(each, "")
            if found and not (found == "organic_search" and NO_SEARCH.match(host)):
                return found
    return "referral"


def _any_country(name: str) -> list[str]:
    """A name with its country left open: google.co.uk and google.de are google.{}."""
    labels = name.split(".")
    found = [".".join((*labels[:-1], "{}"))]
    if len(labels) > 2 and len(labels[-2]) <= 3:
        found.append(".".join((*labels[:-2], "{}")))
    return [*found, ".".join((labels[0], "{}"))] if len(labels) == 2 else found


@cache
def _known() -> dict[str, str]:
    """The channel of each host of the list; of two sections the later one counts."""
    found, section = {}, ""
    text = (Path(__file__).parent / "referrers.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found[line.removeprefix("www.")] = section
    return found | OURS


@cache
def _named() -> dict[str, str]:
    """The channel of what a host is called without its ending: google, linkedin, chatgpt."""
    named: dict[str, str] = {}
    for host, section in _known().items():
        labels = [each for each in host.partition("/")[0].split(".") if each != "{}"]
        if len(labels) <= 2 and len(labels[0]) > 2:
            named.setdefault(labels[0], section)
    return named | {"fb": "organic_social", "ig": "organic_social", "openai": "ai_assistant"}


def _tags(query: str) -> dict[str, str]:
    try:
        found = parse_qsl(query, keep_blank_values=False, max_num_fields=200)
    except ValueError:
        return {}
    return {name.casefold(): value for name, value in reversed(found)}


def _key(said: str) -> str:
    return re.sub(r"[\W_]+", "_", said.strip().casefold()).strip("_")[:64]


def _parts(address: str) -> Any:
    """The parts of an address with a host; None for anything else."""
    text = address.strip()[:LONGEST]
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        return parts if parts.hostname else None
    except ValueError:  # such as https://[2001:db8
        return None


def _host(parts: Any) -> str:
    if parts is None:
        return ""
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    return addresses.domain(host) or (host if re.fullmatch(r"[a-z0-9_.:-]{1,253}", host) else "")


def _site(host: str) -> str:
    """What belongs to one company, as far as the name tells: its last two parts, or three with a short one."""
    labels = host.split(".")
    return ".".join(labels[-3:] if len(labels) > 2 and len(labels[-2]) <= 3 else labels[-2:])
