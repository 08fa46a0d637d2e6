"""Conditions in Simplified Chinese: every word by which they are built, read back, offered, refused is translated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils import translation

from audience.conditions import describe, tree
from kit.models import User

pytestmark = pytest.mark.django_db

CATALOGUE = Path(settings.BASE_DIR, "locale/zh_Hans/LC_MESSAGES")
SPOKEN = ("audience/conditions/*.py", "audience/asked/fields.py", "audience/asked/agreed.py", "audience/asked/related.py",
          "audience/asked/tagged.py", "audience/asked/terms.py", "lifecycle/fields.py", "scoring/fields.py", "campaigns/fields.py",
          "audience/asked/offers.py", "audience/asked/builder.py", "audience/views/conditions.py")  # fmt: skip
SHOWN = "templates/audience/_builder.html"
NAMED = re.compile(r"%\(\w+\)s")
WORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
}


def spoken() -> Iterator[str | tuple[str, str]]:
    for pattern in SPOKEN:
        for file in sorted(Path(settings.BASE_DIR).glob(pattern)):
            for _line, said, _comments, _context in extract_from_file("python", file, keywords=WORDS):
                yield (said[0], said[1]) if isinstance(said, tuple) else said
    yield from re.findall(r'{% trans "([^"]+)"', Path(settings.BASE_DIR, SHOWN).read_text())


def test_all_that_conditions_say_is_in_the_catalogue_with_what_is_filled_in() -> None:
    with (CATALOGUE / "django.po").open("rb") as file:
        written = read_po(file, locale="zh_Hans")
    missing, differ = [], []
    for said in spoken():
        known = written.get(said)
        first = said[0] if isinstance(said, tuple) else said
        told = known.string[0] if known and isinstance(known.string, list | tuple) else known and known.string
        if not told:
            missing.append(said)
        elif set(NAMED.findall(str(told))) - set(NAMED.findall(first if isinstance(said, str) else said[1])):
            differ.append(said)
    assert (missing, differ) == ([], [])


def test_what_is_shipped_is_what_is_written() -> None:
    compiled = BytesIO()
    with (CATALOGUE / "django.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale="zh_Hans"))
    assert (CATALOGUE / "django.mo").read_bytes() == compiled.getvalue(), "pybabel compile -D django -d locale"


@pytest.mark.parametrize(
    ("condition", "of", "sentence"),
    [
        (
            {"all": [{"field": "person.country", "op": "is", "value": "DE"},
                     {"any": [{"field": "activity.count", "op": "at_least", "value": 3, "days": 30,
                               "where": {"channel": "web"}},
                              {"field": "person.title", "op": "contains", "value": "总监"}]}]},
            "person",
            "国家等于“DE”，并且(至少 3 次活动 (渠道: web) 最近 30 天内，或者职位包含“总监”)",
        ),
        ({"field": "activity.count", "op": "at_least", "value": 2, "where": {"since": "2026-01-01", "until": "2026-03-31"}},
         "person", "至少 2 次活动 (从 2026-01-01, 至 2026-03-31)"),
        ({"not": {"field": "person.city", "op": "empty"}}, "person", "并非（城市为空）"),
        (
            {"field": "account.people", "op": "at_least", "value": 2,
             "who": {"field": "person.seniority", "op": "is", "value": "director"}},
            "account",
            "至少 2 个人 (职级等于“director”)",
        ),
        ({"field": "contract.renewed", "days": 14, "op": "at_least", "value": 1}, "account",
         "至少 1 次合同续约 最近 14 天内"),
    ],
)  # fmt: skip
def test_a_condition_reads_back_in_chinese(condition: Any, of: str, sentence: str) -> None:
    with translation.override("zh-hans"):
        assert describe.sentence(tree.parse(condition, of=of)) == sentence


def test_the_builder_is_drawn_with_chinese_words(client: Any) -> None:
    client.force_login(User.objects.create_user("li@example.com", "x", role=User.Role.MARKETER))
    with translation.override("zh-hans"):
        words = client.get("/conditions/fields/?of=account", headers={"accept-language": "zh-hans"}).json()["words"]
    assert [
        name
        for name, word in words.items()
        if re.search("[a-zA-Z]{3}", re.sub(r"%\(\w+\)s|Ctrl|Shift|Alt|JSON", "", word))
    ] == []
