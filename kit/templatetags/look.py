"""The components of the look, as template tags: what /styleguide/ shows is made of these."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.db.models import Model
from django.forms import BoundField, CheckboxInput
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from kit import audit, icons, navigation, rights, undo, visitors, writing

register = template.Library()

# How a state is told: icon, tone, and the word when the page gives none.
STATES: dict[str, tuple[str, str, Any]] = {
    "queued": ("clock", "", gettext_lazy("Waiting")),
    "running": ("loader-circle", "info", gettext_lazy("Running")),
    "done": ("circle-check", "good", gettext_lazy("Done")),
    "failed": ("circle-x", "bad", gettext_lazy("Failed")),
    "cancelled": ("circle-slash", "", gettext_lazy("Cancelled")),
    "draft": ("circle-dashed", "", gettext_lazy("Draft")),
    "published": ("circle-check", "good", gettext_lazy("Published")),
    "live": ("circle-check", "good", gettext_lazy("Live")),
    "retired": ("archive", "", gettext_lazy("Retired")),
    "attention": ("triangle-alert", "warn", gettext_lazy("Needs attention")),
    "open": ("circle-dot", "info", gettext_lazy("Open")),
    "closed": ("circle-check", "", gettext_lazy("Closed")),
    "won": ("circle-check", "good", gettext_lazy("Won")),
    "lost": ("circle-x", "bad", gettext_lazy("Lost")),
}
SPECIES = {"net_new": gettext_lazy("Net-new"), "customer": gettext_lazy("Customer"), "partner": gettext_lazy("Partner")}
TONES = {"good": "circle-check", "warn": "triangle-alert", "bad": "circle-alert", "info": "info", "": "info"}
MESSAGE_TONES = {"debug": "", "info": "info", "success": "good", "warning": "warn", "error": "bad"}


# ---- small things ----


@register.simple_tag
def icon(name: str, size: str = "", label: str = "") -> SafeString:
    """A Lucide icon; size "", "small", "large", "spin"."""
    return icons.draw(str(name), str(size), str(label))


@register.inclusion_tag("components/button.html")
def button(label: str, **given: Any) -> dict[str, Any]:
    """A button, or a link that looks like one when `url` is given.

    kind: "primary", "danger", "quiet" or "" (plain); icon; small; wide; icon_only (the label is for screen readers);
    type ("submit", or "button"), name, value, form, disabled; opens: id of a dialog; closes: closes its dialog.
    """
    return {"label": label, "type": "submit", **given}


@register.inclusion_tag("components/export.html", takes_context=True)
def export_menu(context: dict[str, Any], csv: str, quiet: bool = False) -> dict[str, Any]:
    """The files that a page leaves as, for whoever may take them, by the address of its CSV file."""
    workbook = csv.replace("export=csv", "export=xlsx")
    return {"user": context.get("user"), "csv": csv, "workbook": workbook, "quiet": quiet}


@register.inclusion_tag("components/badge.html")
def badge(text: Any, tone: str = "", icon: str = "") -> dict[str, Any]:
    """A small label; tone: "", "accent", "good", "warn", "bad", "info"."""
    return {"text": text, "tone": tone, "icon": icon}


@register.inclusion_tag("components/status.html")
def status(state: str, text: Any = "") -> dict[str, Any]:
    """A state by icon and word; `text` replaces the word. An unknown state has a neutral icon and its own name."""
    name, tone, word = STATES.get(state, ("circle", "", state))
    return {"icon": name, "tone": tone, "text": text or word, "spin": state == "running"}


@register.inclusion_tag("components/species.html")
def species(name: str, text: Any = "") -> dict[str, Any]:
    """One of the three species, told by hue, shape and word."""
    return {"name": name, "text": text or SPECIES.get(name, name)}


@register.inclusion_tag("components/delta.html")
def delta(change: float | Decimal | None, text: str = "", good: str = "up") -> dict[str, Any]:
    """A change against before, with arrow and sign; `text` is how it is written, `good` says which way is welcome."""
    if not change:
        return {"text": text or (writing.NOTHING if change is None else _("unchanged")), "arrow": "", "tone": ""}
    up = change > 0
    size: Any = abs(change)
    return {
        "text": text or f"{'+' if up else '−'}{writing.number(size)}",
        "arrow": "arrow-up-right" if up else "arrow-down-right",
        "tone": "" if good not in ("up", "down") else "good" if up == (good == "up") else "bad",
    }


# ---- figures ----


@register.inclusion_tag("components/stat.html")
def stat(label: Any, value: Any, **given: Any) -> dict[str, Any]:
    """A figure. `url` opens the list behind it, `formula` says how it is counted, `metric` names it in the page.

    Also: unit, note, change with change_text and good ("up" or "down"). A number is written with thousands.
    """
    shown = writing.number(value) if isinstance(value, int | None) else value
    return {"label": label, "value": shown, **given}


@register.inclusion_tag("components/funnel_bar.html")
def funnel_bar(label: Any, count: int | None, largest: int | None, **given: Any) -> dict[str, Any]:
    """One row of a funnel: label, bar of `count` as a share of `largest`, the figure, and `share` as text.

    Also: url opens the list behind the figure, species gives the hue, metric is the figure's name in the page.
    """
    return {"label": label, "count": writing.number(count), "percent": _percent(count, largest), **given}


@register.inclusion_tag("components/bar.html")
def bar(part: float | None, whole: float | None = 1, species: str = "", slim: bool = True) -> dict[str, Any]:
    """A bar of `part` in `whole`; decoration: the figure must stand beside it as text."""
    return {"percent": _percent(part, whole), "species": species, "slim": slim}


def _percent(part: float | None, whole: float | None) -> str:
    """A share as a number of SVG units, with a point whatever the language."""
    share = min(max(part / whole, 0), 1) * 100 if part and whole else 0
    return f"{share:.3f}"


@register.filter
def number(value: float | Decimal | None, places: int = 0) -> str:
    return writing.number(value, places)


@register.filter
def percent(value: float | Decimal | None, places: int = 1) -> str:
    return writing.percent(value, places)


@register.filter
def span(value: timedelta | float | None) -> str:
    return writing.span(value)


@register.filter
def when(value: datetime | date | None) -> str:
    """An instant or a day, short, in the reader's zone; the whole of it is in the tooltip."""
    if value is None:
        return writing.NOTHING
    if not isinstance(value, datetime):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), writing.day(value))
    local = timezone.localtime(value)
    whole = f"{writing.instant(value)}:{local:%S} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), whole, writing.instant(value))


# ---- forms ----


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, help: str = "") -> dict[str, Any]:
    """A form's field with label, help and errors, each tied to the input."""
    return {"field": bound, "help": help or bound.help_text, "is_choice": isinstance(bound.field.widget, CheckboxInput)}


# ---- boxes with content ----


@register.simple_block_tag
def card(content: SafeString, title: Any = "", purpose: Any = "", flush: bool = False, id: str = "") -> SafeString:
    """A box with an optional title and line of purpose; flush: without padding, for tables."""
    return _render("card", content=content, title=title, purpose=purpose, flush=flush, id=id)


@register.simple_block_tag
def dialog(content: SafeString, id: str, title: Any) -> SafeString:
    """A dialog, opened by any element with `data-opens="<id>"`."""
    return _render("dialog", content=content, id=id, title=title)


@register.simple_block_tag
def note(content: SafeString, tone: str = "", icon: str = "") -> SafeString:
    """A remark on the page; tone: "", "good", "warn", "bad", "info"."""
    return _render("note", content=content, tone=tone, icon=icon or TONES.get(tone, "info"))


@register.simple_block_tag
def page_head(content: SafeString, title: Any, purpose: Any = "") -> SafeString:
    """The page's one heading, one line on what it is for, and its actions as content: one primary, the rest plain."""
    return _render("page_head", content=content, title=title, purpose=purpose)


@register.simple_block_tag
def section(content: SafeString, title: Any, purpose: Any = "", id: str = "") -> SafeString:
    """A part of a page with its own heading."""
    return _render("section", content=content, title=title, purpose=purpose, id=id)


@register.simple_block_tag
def timeline_item(
    content: SafeString,
    title: Any,
    icon: str = "circle-dot",
    at: datetime | date | None = None,
    species: str = "",
    struck: bool = False,
) -> SafeString:
    """One thing that happened, inside `<ol class="timeline">`; content: what is known of it. `struck`: it did not."""
    return _render("timeline_item", content=content, title=title, icon=icon, at=at, species=species, struck=struck)


@register.simple_block_tag
def empty(content: SafeString, title: Any, icon: str = "inbox", text: Any = "") -> SafeString:
    """What to see where there is nothing yet: why, and as content the buttons that change it."""
    return _render("empty", content=content, title=title, icon=icon, text=text)


def _render(component: str, **context: Any) -> SafeString:
    context["content"] = mark_safe(context["content"].strip())
    return mark_safe(render_to_string(f"components/{component}.html", context))


# ---- finding one's way ----


@register.inclusion_tag("components/tabs.html")
def tabs(items: Iterable[dict[str, Any]], label: Any) -> dict[str, Any]:
    """Links to sibling views: each a dict of label, url, current and an optional count. `label` names all of them."""
    return {"items": items, "label": label}


@register.simple_tag
def crumb(label: Any, url: str = "", here: bool = True) -> SafeString:
    """One step of the breadcrumbs; the last has no url. An area without a page of its own: no url and here=False."""
    if url:
        return format_html('<li><a class="crumbs__link" href="{}">{}</a></li>', url, label)
    if not here:
        return format_html("<li><span>{}</span></li>", label)
    return format_html('<li><span aria-current="page">{}</span></li>', label)


@register.simple_tag(takes_context=True)
def sidebar(context: dict[str, Any]) -> SafeString:
    """The sidebar's links, the present one marked."""
    request = context.get("request")
    groups = navigation.groups(request.path if request else "/", getattr(request, "user", None))
    return _sidebar(get_language(), tuple(groups))


@functools.lru_cache(maxsize=256)
def _sidebar(language: str | None, groups: tuple[navigation.Group, ...]) -> SafeString:
    """Some fifty entries, drawn once for each set of links, place in it, and language."""
    return render_to_string("components/navigation.html", {"groups": groups})


@register.simple_tag
def url_if_any(name: str) -> str:
    """The address called `name`, or "" when this installation has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


@register.filter
def message_tone(tags: str) -> str:
    """The tone of a message from its level."""
    return next((tone for level, tone in MESSAGE_TONES.items() if level in tags.split()), "")


@register.filter
def undo_address(tags: str) -> str:
    """Where a message's button takes back what was done; "" when it has none."""
    return undo.address(tags)


@register.filter
def more_address(tags: str) -> str:
    """Where a message leads to what it tells in few words; "" when nowhere."""
    return undo.more(tags)


@register.filter
def tone_icon(tone: str) -> str:
    return TONES.get(tone, "info")


@register.filter
def may(user: Any, right: str) -> bool:
    """Whether the user has a right: `{% if user|may:"edit" %}`."""
    return rights.may(user, right)


@register.filter
def audited(action: str) -> str:
    """What an action of the trail is called."""
    return audit.words(action)


@register.filter
def browser(told: str) -> str:
    """A browser's name out of what it says of itself."""
    return visitors.known_as(told)


@register.filter
def coded(text: str) -> SafeString:
    """A text in which what stands between backticks is drawn as code."""
    parts = ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(text.split("`")))
    return format_html_join("", "{}", parts)


@register.filter
def initials(name: Any) -> str:
    """At most two letters to stand for a user."""
    words = str(name).split("@")[0].replace(".", " ").split()
    return "".join(word[0] for word in words[:2]).upper() or "?"


# ---- lists ----


@register.simple_tag
def cell(column: Any, row: Model) -> Any:
    """What a column shows of a row when it has no template of its own."""
    return column.text(row)
