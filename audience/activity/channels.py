"""The taxonomy of channels and platforms: how each spelling is kept, and which are known.

A channel that is not in the taxonomy is kept as it was told, and listed as unknown until somebody adds it, or makes
it another spelling of one that is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.models import Activity, ActivityKind, Channel, Cost
from kit import audit, slugs
from kit.models import User
from kit.sql import Sql, join, rows, sql

FIELDS = ("label", "direction", "is_paid", "is_human", "is_offline", "aliases")
LONGEST = 32
MOST_ALIASES = 100
IN, OUT, EITHER = Activity.Direction.INBOUND.value, Activity.Direction.OUTBOUND.value, ""
Text = str | Promise

# slug: name, direction, paid, human to human, offline, other spellings
USUAL: Mapping[str, tuple[Text, str, bool, bool, bool, Sequence[str]]] = {
    "email": (gettext_lazy("Email"), OUT, False, False, False, ("e_mail", "mailing", "newsletter")),
    "website": (gettext_lazy("Website"), IN, False, False, False, ("web", "site", "landing_page")),
    "organic_search": (gettext_lazy("Organic search"), IN, False, False, False, ("organic", "seo")),
    "paid_search": (gettext_lazy("Paid search"), IN, True, False, False, ("cpc", "ppc", "sem", "adwords")),
    "organic_social": (gettext_lazy("Organic social"), IN, False, False, False, ("social", "social_media")),
    "paid_social": (gettext_lazy("Paid social"), IN, True, False, False, ("social_ads", "cpc_social")),
    "display": (gettext_lazy("Display"), IN, True, False, False, ("banner", "cpm", "display_ads")),
    "video": (gettext_lazy("Video advertising"), IN, True, False, False, ("paid_video", "video_ads")),
    "affiliate": (gettext_lazy("Affiliate"), IN, True, False, False, ("affiliates",)),
    "referral": (gettext_lazy("Referral"), IN, False, False, False, ("referrer", "referring_site")),
    "direct": (gettext_lazy("Direct"), IN, False, False, False, ("direct_traffic", "none")),
    "ai_assistant": (gettext_lazy("AI assistant"), IN, False, False, False, ("chatbot", "llm", "ai")),
    "webinar": (gettext_lazy("Webinar"), IN, False, True, False, ("webinars", "online_event")),
    "event": (gettext_lazy("Event"), IN, False, True, True, ("events", "trade_show", "tradeshow", "conference")),
    "meeting": (gettext_lazy("Meeting"), EITHER, False, True, True, ("visit", "in_person")),
    "phone": (gettext_lazy("Call"), EITHER, False, True, True, ("call", "calls", "telephone", "phone_call")),
    "sms": (gettext_lazy("SMS"), OUT, False, False, False, ("text_message", "mms")),
    "messaging": (gettext_lazy("Messenger"), EITHER, False, True, False, ("whatsapp", "wechat", "messenger")),
    "push": (gettext_lazy("Push and in-app"), OUT, False, False, False, ("in_app", "push_notification", "web_push")),
    "chat": (gettext_lazy("Chat"), IN, False, True, False, ("live_chat", "livechat")),
    "community": (gettext_lazy("Community"), IN, False, True, False, ("forum",)),
    "review": (gettext_lazy("Review site"), IN, False, True, False, ("reviews",)),
    "partner": (gettext_lazy("Partner"), IN, False, True, True, ("partners", "reseller")),
    "product": (gettext_lazy("Product"), IN, False, False, False, ("app", "in_product")),
    "sales": (gettext_lazy("Sales"), OUT, False, True, True, ("outbound_sales", "sdr")),
    "support": (gettext_lazy("Support"), IN, False, True, False, ("service", "helpdesk")),
    "mail": (gettext_lazy("Letters and print"), OUT, True, False, True, ("direct_mail", "offline_mail", "post")),
    "broadcast": (gettext_lazy("Radio, TV and outdoor"), IN, True, False, True, ("radio", "tv", "outdoor", "ooh")),
}  # fmt: skip

PLATFORMS: Mapping[str, Text] = {
    "desktop": gettext_lazy("Desktop"), "laptop": gettext_lazy("Laptop"), "tablet": gettext_lazy("Tablet"),
    "mobile": gettext_lazy("Mobile"), "kiosk": gettext_lazy("Kiosk"),
}  # fmt: skip
_PLATFORMS = {
    "pc": "desktop", "computer": "desktop", "workstation": "desktop", "notebook": "laptop", "ipad": "tablet",
    "smartphone": "mobile", "cell_phone": "mobile", "mobile_phone": "mobile", "iphone": "mobile", "terminal": "kiosk",
} | {each: each for each in PLATFORMS}  # fmt: skip


class Refused(ValueError):
    """What cannot be done to a channel, in the user's words."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def ensure_defaults(now: datetime) -> None:
    """The usual channels, where nobody has put others in their place. Safe to repeat."""
    if not Channel.objects.exists():
        Channel.objects.bulk_create(
            [
                Channel(slug=slug, label=str(label), direction=way, is_paid=paid, is_human=human, is_offline=offline,
                        aliases=list(aliases))
                for slug, (label, way, paid, human, offline, aliases) in USUAL.items()
            ],
            ignore_conflicts=True,
        )  # fmt: skip


@transaction.atomic
def add(values: Mapping[str, Any], *, slug: str = "", by: User | None, now: datetime) -> Channel:
    """A channel of one's own. With `slug`, that of an unknown channel which activities have already. Raises Refused."""
    told = _checked(values, None)
    key = spelled(slug) if slug else slugs.free(told["label"], Channel.objects.all(), "channel")[:LONGEST].strip("_")
    if Channel.objects.filter(Q(slug=key) | Q(aliases__contains=[key])).exists():
        raise Refused(_("“%(slug)s” is known already.") % {"slug": key}, "label")
    made = Channel.objects.create(slug=key, **told)
    audit.record("channel.add", str(made), by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def change(channel: Channel, values: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Another name, other spellings, of another sort. False when nothing differs. Raises Refused."""
    held = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
    told = _checked({each: getattr(held, each) for each in FIELDS} | dict(values), held)
    if all(getattr(held, each) == told[each] for each in FIELDS):
        return False
    before = _told(held)
    for each in FIELDS:
        setattr(held, each, told[each])
    held.save(update_fields=FIELDS)
    audit.record("channel.change", str(held), by=by, now=now, before=before, after=_told(held))
    return True


@transaction.atomic
def remove(channel: Channel, *, by: User | None, now: datetime) -> None:
    """Take a channel away that nothing bears. Raises Refused, naming who does."""
    there = (
        (Activity.objects.filter(channel=channel.slug), _("activities")),
        (ActivityKind.objects.filter(channel=channel.slug), _("kinds of activities")),
        (Cost.objects.filter(channel=channel.slug), _("costs")),
    )
    if bearing := [what for found, what in there if found.exists()]:
        said = _("It stands in: %(users)s. Make it another spelling of a channel instead, or give it another name.")
        raise Refused(said % {"users": ", ".join(bearing)})
    audit.record("channel.remove", str(channel), by=by, now=now, before=_told(channel))
    channel.delete()


def spelled(said: str) -> str:
    """A channel as it is written here: small letters, digits and underscores."""
    return re.sub(r"[^\w]+", "_", said.strip().casefold()).strip("_")[:LONGEST]


def normal(said: str) -> str:
    """The channel that a spelling means; what is unknown stays as it was said."""
    return normals([said]).get(said, said)


def normals(said: Collection[str]) -> dict[str, str]:
    """The channel of each of these spellings that means one; one query."""
    keys = {each: spelled(each) for each in said if each}
    if not keys:
        return {}
    wanted = list(set(keys.values()))
    means: dict[str, str] = {}
    for slug, aliases in Channel.objects.filter(Q(slug__in=wanted) | Q(aliases__overlap=wanted)).values_list(
        "slug", "aliases"
    ):
        means |= dict.fromkeys(aliases, slug)
        means[slug] = slug
    return {each: means[key] for each, key in keys.items() if key in means}


def platform(said: str) -> str:
    """The platform that a spelling means; what is unknown stays as it was said."""
    return _PLATFORMS.get(spelled(said), said)


def labels() -> dict[str, str]:
    """What the channels are called."""
    return dict(Channel.objects.order_by("label").values_list("slug", "label"))


def unknown() -> list[tuple[str, int]]:
    """The channels that activities have and the taxonomy has not, with their number; the most frequent first.

    From channel to channel by the index, so that it costs as much as there are channels, and those counted are few.
    """
    return [
        (str(channel), int(number))
        for channel, number in rows(
            Sql(
                """
                WITH RECURSIVE there AS (
                    (SELECT channel FROM audience_activity WHERE channel <> '' AND reversal_of_id IS NULL
                     ORDER BY channel LIMIT 1)
                    UNION ALL
                    SELECT (SELECT a.channel FROM audience_activity a
                            WHERE a.channel > there.channel AND a.channel <> '' AND a.reversal_of_id IS NULL
                            ORDER BY a.channel LIMIT 1)
                    FROM there WHERE there.channel IS NOT NULL
                )
                SELECT channel, (SELECT count(*) FROM audience_activity a WHERE a.channel = there.channel
                                 AND a.channel <> '' AND a.reversal_of_id IS NULL) AS number
                FROM there WHERE channel IS NOT NULL AND channel NOT IN (SELECT slug FROM audience_channel)
                ORDER BY 2 DESC, 1 LIMIT 100"""
            )
        )
    ]


def meaning(relation: Sql, column: str) -> Sql:
    """Each distinct value of a column of a relation with the channel that it means, for statements over many rows."""
    key = Sql(r"left(trim(BOTH '_' FROM regexp_replace(lower(said.value), '[^[:alnum:]_]+', '_', 'g')), 32)")
    return sql(
        f"""SELECT said.value, coalesce(c.slug, said.value) AS channel
            FROM (SELECT DISTINCT told.{column} AS value FROM ({{}}) told WHERE told.{column} <> '') said
            LEFT JOIN LATERAL (SELECT c.slug FROM audience_channel c WHERE c.slug = {{}} OR {{}} = ANY (c.aliases)
                               ORDER BY c.slug <> {{}} LIMIT 1) c ON true""",
        relation, key, key, key,
    )  # fmt: skip


def platforms(column: Sql) -> Sql:
    """The platform that a column means, as SQL; what is unknown stays."""
    cases = join(" ", (sql("WHEN {} THEN {}", said, means) for said, means in _PLATFORMS.items()))
    return sql("CASE lower(regexp_replace({}, '[^[:alnum:]]+', '_', 'g')) {} ELSE {} END", column, cases, column)


def _checked(values: Mapping[str, Any], channel: Channel | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "direction": "",
        "is_paid": False,
        "is_human": False,
        "is_offline": False,
        "aliases": (),
    } | dict(values)
    told["label"] = " ".join(str(told["label"]).split())
    told["aliases"] = sorted({spelled(each) for each in told["aliases"]} - {""} - {channel.slug if channel else ""})
    others = Channel.objects.exclude(pk=channel.pk) if channel else Channel.objects.all()
    if not told["label"]:
        raise Refused(_("Say what it is called."), "label")
    if others.filter(label__iexact=told["label"]).exists():
        raise Refused(_("There is a channel called “%(label)s” already.") % {"label": told["label"]}, "label")
    if len(told["aliases"]) > MOST_ALIASES:
        raise Refused(_("At most %(most)s spellings are kept.") % {"most": MOST_ALIASES}, "aliases")
    taken = others.filter(Q(slug__in=told["aliases"]) | Q(aliases__overlap=told["aliases"])).first()
    if told["aliases"] and taken:
        raise Refused(_("One of these spellings means “%(channel)s” already.") % {"channel": taken}, "aliases")
    return {each: told[each] for each in FIELDS}


def _told(channel: Channel) -> dict[str, Any]:
    return {"slug": channel.slug} | {each: getattr(channel, each) for each in FIELDS}
