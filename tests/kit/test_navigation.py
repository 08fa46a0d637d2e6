"""The sidebar: registered entries only, the present one marked, a dead one found before anything is served."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from django.utils.functional import lazy

from kit import navigation


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "_entries", {})


def add(url_name: str, area: str = "operations", order: int = 10) -> None:
    navigation.register(area=area, label=url_name.title(), url_name=url_name, icon="circle", order=order)


def test_areas_without_entries_do_not_appear_and_entries_stand_in_order() -> None:
    add("jobs", order=20)
    add("styleguide", order=10)
    (group,) = navigation.groups("/")
    assert [entry.url_name for entry in group.entries] == ["styleguide", "jobs"]


def test_the_entry_of_the_page_and_of_pages_below_it_is_marked() -> None:
    add("jobs")
    assert navigation.groups("/operations/jobs/7/")[0].current.url_name == "jobs"  # type: ignore[union-attr]
    assert navigation.groups("/styleguide/")[0].current is None


def test_an_entry_without_a_page_is_an_error_of_the_system_check() -> None:
    add("jobs")
    assert navigation.every_entry_leads_somewhere() == []
    add("no_such_page")
    (error,) = navigation.every_entry_leads_somewhere()
    assert "no_such_page" in error.msg


def test_an_unknown_area_is_refused() -> None:
    with pytest.raises(ValueError, match="no area"):
        add("jobs", area="nowhere")


def test_it_is_drawn_for_the_page_the_links_and_the_language_that_are_asked_for(rf: RequestFactory) -> None:
    def drawn(path: str) -> str:
        return Template("{% load look %}{% sidebar %}").render(Context({"request": rf.get(path)}))

    spoken = lazy(translation.get_language, str)()
    navigation.register(area="operations", label=spoken, url_name="jobs", icon="circle")
    assert 'href="/operations/jobs/" aria-current="page"' in drawn("/operations/jobs/7/")
    assert "aria-current" not in drawn("/styleguide/") and "<span>en</span>" in drawn("/styleguide/")
    with translation.override("zh-hans"):
        assert "<span>zh-hans</span>" in drawn("/styleguide/")
    add("styleguide")
    assert 'href="/styleguide/" aria-current="page"' in drawn("/styleguide/")
