"""Every page there is, with something on it: axe finds nothing, wide and light or narrow and dark; nothing sticks out."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from kit.models import User
from tests import axe
from tests.kit.test_rights import routes
from tests.sight import world as worlds
from tests.sight.test_matrix import ABOUT, address

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
# The choices that change with the width or the theme; all else was looked at when the page was wide.
AGAIN = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size", "scrollable-region-focusable"]}}


def pages(world: Any) -> dict[str, str]:
    """The address of every route's page, by its name."""
    return {
        route.name: address(route, world, getattr(world.own, ABOUT[route.name]).pk if route.name in ABOUT else 0)
        for route in routes()
    }


def test_every_page_is_sound_wide_and_light_and_narrow_and_dark(page: Any) -> None:
    world = worlds.build()
    User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.ADMIN)
    page.goto(reverse("sign_in"))
    page.get_by_label("Email").fill("ada@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    found, seen = [], []
    for name, url in pages(world).items():
        answer = page.request.get(url, max_redirects=0)
        if answer.status != 200 or "<html" not in answer.text():
            continue
        seen.append(name)
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(url)
        found += [f"{name} wide: {each}" for each in complaints(page, WCAG)]
        page.set_viewport_size(NARROW)
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found += [f"{name} narrow: {each}" for each in complaints(page, AGAIN)]
    assert len(seen) > 70, seen
    assert not found, "\n".join(found)


def complaints(page: Any, options: dict[str, Any]) -> list[str]:
    told = [
        f"{each['id']} at {each['nodes'][0]['target']} ({len(each['nodes'])}): {each['nodes'][0]['failureSummary']}"
        for each in axe.violations(page, **options)
    ]
    over = page.evaluate(STICKS_OUT)
    return [*told, f"sticks out by {over} px"] if over > 0 else told
