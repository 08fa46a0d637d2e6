"""One person, not two, in a browser: look for pairs, compare, merge, and part the two again."""

from __future__ import annotations

from typing import Any

import pytest

from audience.models import Merge, Person
from kit.models import User
from tests.factories import NOW, account, activity, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"


def test_two_who_are_one_are_found_compared_merged_and_parted_again(page: Any, worker: None) -> None:
    acme = account(name="Acme Rail", country="Germany")
    jon = person(
        first_name="Jon", last_name="Smithson", account=acme, city="Bonn", phone="030 901820", country="Germany"
    )
    twin = person(first_name="Jon", last_name="Smithsen", account=acme, city="Ulm", phone="+49 30 901820")
    activity(twin, NOW)
    User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.ADMIN)
    page.set_default_timeout(30_000)
    page.goto("/sign-in/?next=/duplicates/")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Look now").click()
    page.get_by_text("Done").first.wait_for()
    page.goto("/duplicates/")
    row = page.get_by_role("row", name="Smithsen")
    assert "the same telephone number" in row.inner_text() and "a similar name" in row.inner_text()
    row.get_by_role("link", name="Compare").click()

    page.get_by_role("heading", name="Make one of").wait_for()
    page.get_by_role("radio", name="Ulm").check()
    page.get_by_role("button", name="Merge the two").click()
    page.get_by_role("link", name="Open the one who stays").click()
    page.get_by_role("heading", name="Jon Smithson").wait_for()
    assert "Two people merged" in page.locator("#trail").inner_text()
    jon.refresh_from_db()
    assert jon.city == "Ulm"
    page.goto(f"/people/{twin.pk}/")
    page.wait_for_url(f"**/people/{jon.pk}/")

    page.goto(f"/merges/{Merge.objects.get().pk}/")
    page.get_by_role("button", name="Part them again").click()
    page.get_by_text("They are two again").wait_for()
    page.goto(f"/people/{twin.pk}/")
    page.get_by_role("heading", name="Jon Smithsen").wait_for()
    assert list(Person.objects.order_by("pk").values_list("city", flat=True)) == ["Bonn", "Ulm"]
