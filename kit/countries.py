"""Which country is meant by what somebody wrote, by code or by name in some languages; what countries are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from babel import Locale
from babel.core import get_global

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")
NONE = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}  # codes of two letters that are no country's
# What people write, and Unicode's lists of names do not.
ALSO = {
    "GB": ("Great Britain", "Britain", "England", "Scotland", "Wales", "Northern Ireland", "Großbritannien"),
    "US": ("United States of America", "America", "Vereinigte Staaten von Amerika", "EE. UU.", "Etats-Unis d'Amérique"),
    "NL": ("Holland", "The Netherlands"),
    "CZ": ("Czech Republic", "Tschechische Republik", "République tchèque", "República Checa"),
    "AE": ("UAE", "VAE"),
    "CN": ("People's Republic of China", "PR China", "VR China"),
    "KR": ("Korea", "Republic of Korea"),
    "RU": ("Russian Federation",),
    "TR": ("Turkey",),
}


def code(written: str) -> str:
    """The country's code of two letters (ISO 3166); "" where nobody can tell."""
    return _codes().get(_plain(written), "")


@cache
def _codes() -> dict[str, str]:
    """Codes by what countries are called; what languages say otherwise means what it means in the first of them."""
    told: dict[str, str] = {}
    countries = {each for each in _names(LANGUAGES[0]) if re.fullmatch("[A-Z]{2}", each)} - NONE
    for language in LANGUAGES:
        for each, name in _names(language).items():
            if each in countries:
                told.setdefault(_plain(name), each)
    for each, names in ALSO.items():
        told.update(dict.fromkeys(map(_plain, names), each))
    for former, now in get_global("territory_aliases").items():  # three letters, and codes that are no more
        if len(now) == 1 and now[0] in countries and former.isalpha():
            told[_plain(former)] = now[0]
    told.update({_plain(each): each for each in countries})
    return told


def called(codes: Iterable[str], language: str) -> dict[str, str]:
    """What the countries of these codes are called in a language; a code that it has no name for stays."""
    names = _names(language)
    return {code: names.get(code, code) for code in codes}


def _names(language: str) -> dict[str, str]:
    return {str(each): str(name) for each, name in Locale.parse(language, sep="-").territories.items()}


def _plain(written: str) -> str:
    """Letters alone, without accents and capitals."""
    bare = unicodedata.normalize("NFKD", written.casefold())
    return "".join(each for each in bare if each.isalpha())
