"""The look: contrast in both themes, no inline script or style, figures in words, components that escape."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils.translation import override

from kit import writing

TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text()
STYLES = "".join(path.read_text() for path in (Path(settings.BASE_DIR) / "static/css").glob("*.css"))
TEMPLATES = sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
GROUNDS = ("canvas", "surface", "raised", "sunken", "hover")


def colours() -> dict[str, tuple[str, str]]:
    """Every colour token: its value in light and in dark."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS)
    return {name: (light, dark) for name, light, dark in pairs}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_contrast_that_the_norm_gives_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


INKS = [(ink, ground) for ink in ("ink", "ink-muted", "ink-faint", "accent") for ground in GROUNDS]
TONES = [
    (tone, ground)
    for tone in ("good", "warn", "bad", "info", "net-new", "customer", "partner")
    for ground in ("surface", "raised", "canvas", f"{tone}-soft", "hover")
]
OTHERS = [
    ("accent", "accent-soft"), ("ink", "accent-soft"), ("accent-ink", "accent"), ("accent-ink", "accent-hover"),
    ("ink-muted", "nav-hover"), ("ink", "nav-active"), ("ink-muted", "accent-soft"), ("ink-muted", "warn-soft"),
]  # fmt: skip


@pytest.mark.parametrize(("ink", "ground"), INKS + TONES + OTHERS)
def test_text_can_be_read_on_its_ground_in_both_themes(ink: str, ground: str) -> None:
    known = colours()
    for theme in (0, 1):
        assert contrast(known[ink][theme], known[ground][theme]) >= 4.5, ("light", "dark")[theme]


def test_white_can_be_read_on_a_dangerous_button() -> None:
    assert min(contrast("#ffffff", colour) for colour in colours()["bad-fill"]) >= 4.5


@pytest.mark.parametrize("ground", ["canvas", "surface", "raised"])
def test_the_edge_of_an_input_can_be_seen(ground: str) -> None:
    known = colours()
    for theme in (0, 1):
        assert contrast(known["line-input"][theme], known[ground][theme]) >= 3


def test_styles_use_only_tokens_that_exist() -> None:
    defined = set(re.findall(r"^\s*--([\w-]+):", STYLES, re.MULTILINE))
    assert set(re.findall(r"var\(--([\w-]+)", STYLES)) <= defined


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(settings.BASE_DIR)))
def test_a_template_has_no_inline_script_or_style(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"<[^>]*\sstyle=", source)
    assert not re.search(r"<[^>]*\son\w+=", source)
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)(?![^>]*application/json)", source)


# ---- words ----


@pytest.mark.parametrize(
    ("value", "places", "said"),
    [(0, 0, "0"), (842, 0, "842"), (8000, 0, "8,000"), (-1234567, 0, "-1,234,567"), (Decimal("1234.5"), 1, "1,234.5"),
     (None, 0, "–")],
)  # fmt: skip
def test_numbers_have_their_thousands(value: Any, places: int, said: str) -> None:
    assert writing.number(value, places) == said


@pytest.mark.parametrize(
    ("share", "places", "said"),
    [(0.10525, 3, "10.525%"), (0.10525, 1, "10.5%"), (1, 0, "100%"), (0, 1, "0.0%"), (None, 1, "–")],
)
def test_shares_are_per_cent(share: Any, places: int, said: str) -> None:
    assert writing.percent(share, places) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (250, "4 min 10 s"), (3599, "59 min"), (3600, "1 h 0 min"),
     (timedelta(hours=5, minutes=7), "5 h 7 min"), (timedelta(days=1), "1 day"), (timedelta(days=1400), "1,400 days"),
     (None, "–")],
)  # fmt: skip
def test_spans_are_said_in_their_largest_units(length: Any, said: str) -> None:
    assert writing.span(length) == said


# ---- components ----


def drawn(source: str, **context: Any) -> str:
    return Template("{% load look %}" + source).render(Context(context))


def test_what_users_typed_is_escaped_in_every_component() -> None:
    canary = '<img src=x onerror=alert(1)>"'
    source = """{% button x url=x icon="plus" %}{% badge x %}{% status x %}{% species x %}
        {% stat x x url=x formula=x note=x %}{% funnel_bar x 1 2 url=x share=x %}{% crumb x x %}{% crumb x %}
        {% card title=x purpose=x %}{{ x }}{% endcard %}
        {% note %}{{ x }}{% endnote %}{% empty x text=x %}{% endempty %}
        {% page_head x purpose=x %}{% endpage_head %}
        {% section x %}{% endsection %}
        {% timeline_item x %}{{ x }}{% endtimeline_item %}{% dialog "d" x %}{% enddialog %}
        {% icon "plus" label=x %}{{ x|initials }}"""
    page = drawn(source, x=canary)
    assert "<img" not in page
    assert page.count("&lt;img") >= 20


def test_a_bar_is_a_share_with_a_point_whatever_the_language() -> None:
    with override("de"):
        assert 'width="33.333"' in drawn("{% bar 1 3 %}")
    assert 'width="0.000"' in drawn("{% bar none 0 %}")
    assert 'width="100.000"' in drawn("{% bar 5 4 %}")


def test_a_figure_is_a_link_to_its_list_and_tells_its_formula() -> None:
    page = drawn('{% stat "Won" 8420 url="/won/" metric="won" formula="Deals closed as won." change=-3 %}')
    assert '<a class="stat__value" href="/won/" data-metric="won">8,420</a>' in page
    assert "Deals closed as won." in page and "−3" in page and "delta--bad" in page


def test_a_disabled_link_is_no_link() -> None:
    page = drawn('{% button "Publish" url="/go/" disabled=True %}')
    assert "href" not in page and "disabled" in page


def test_every_tone_that_a_note_or_badge_is_given_is_drawn() -> None:
    found = {
        (component, tone, path.name)
        for path in TEMPLATES
        for component, tone in re.findall(r'{% (note|badge)[^%]* tone="(\w+)"', path.read_text())
    }
    assert found
    assert not [each for each in found if f".{each[0]}--{each[1]} {{" not in STYLES]
