"""What a stage can be judged by without writing a condition: a deal that is won, a purchase, a segment."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audience.models import Segment

READY: dict[str, dict[str, Any]] = {
    "deal": {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1},
    "purchase": {"field": "purchase.count", "op": "at_least", "value": 1},
}


def offered(of: str) -> list[tuple[str, str]]:
    """The outcomes that a page offers, as (key, words)."""
    ready = [("deal", _("a deal is won")), ("purchase", _("something is bought"))]
    kept = Segment.objects.filter(of=of, kind=Segment.Kind.DYNAMIC).order_by("name")[:200]
    return ready + [(f"segment:{each.slug}", _("is in “%(segment)s”") % {"segment": each}) for each in kept]


def condition(key: str) -> dict[str, Any]:
    """The condition of an outcome that was offered: a segment's is its own, which can be asked of the past."""
    if key in READY:
        return READY[key]
    return dict(Segment.objects.get(slug=key.partition(":")[2]).condition or {})
