"""Which days are public holidays of a country or one of its regions, as the library `holidays` knows them.

They are proposed where a working calendar is made; what is kept of them is the administrator's word.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import holidays
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from kit import countries

LANGUAGES = {"en": "en_US", "zh-hans": "zh_CN"}  # of holidays' names, by ours; else as they are called there
MOST_YEARS = 10


class Refused(ValueError):
    """A place or years of which no holidays can be told; `field` says which was wrong."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@cache
def places(language: str) -> dict[str, str]:
    """What every country (DE) and region (DE-BY) is called, countries in the order of their names."""
    found: dict[str, str] = {}
    known = holidays.list_supported_countries(include_aliases=False)
    called = countries.called(known, language)
    for country in sorted(known, key=lambda code: called[code]):
        found[country] = called[country]
        regions = known[country]
        aliases = holidays.country_holidays(country).get_subdivision_aliases() if regions else {}
        named = sorted(((aliases.get(region) or [region])[0], region) for region in regions)
        found |= {f"{country}-{region}": f"{called[country]}: {name}" for name, region in named}
    return found


def between(place: str, first: int, last: int) -> list[dict[str, str]]:
    """The holidays of a country or region from a year through another, as calendars keep them: `on` and `name`.

    Raises Refused for a place that is not known, for too many years, and where nothing is known of them.
    """
    if place not in places(get_language() or "en"):
        words = _("There is no country or region “%(place)s”. Write it as DE, or DE-BY.")
        raise Refused(words % {"place": place[:40]}, "place")
    if not 0 <= last - first < MOST_YEARS:
        words = _("Give up to %(most)s years, the last not before the first.")
        raise Refused(words % {"most": MOST_YEARS}, "last_year")
    country, _dash, region = place.partition("-")
    found = _of(country, region, range(first, last + 1))
    if not found:
        raise Refused(_("No public holidays are known there of these years."), "first_year")
    return [{"on": day.isoformat(), "name": name} for day, name in sorted(found.items())]


def _of(country: str, region: str, years: range) -> Any:
    language = LANGUAGES.get(get_language() or "")
    spoken = language in holidays.country_holidays(country).supported_languages
    return holidays.country_holidays(country, subdiv=region or None, years=years, language=language if spoken else None)
