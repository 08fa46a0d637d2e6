"""Nothing that a salesperson can open says a word about people whom they do not see.

Every address is asked with real arguments: whole, as a part, as a file, searched, sorted; then every link of what was
answered, so far. What is hidden has a word in it that stands nowhere else.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from django.core.cache import cache
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.views import View

from kit import pages, rights
from kit.models import User
from reporting import metrics
from tests.kit.test_rights import TAKES, routes
from tests.sight import world as worlds
from tests.sight.test_matrix import ABOUT, address

pytestmark = pytest.mark.django_db

LINK = re.compile(r'(?:href|src|hx-get|action|data-[a-z-]+)="(/[^"]*)"')
FOLLOWED = 3  # addresses of one route that links lead to
SPAN = {"from": "2025-01-01", "to": "2026-01-01"}
# Pages that only whoever asks by a form can see, and those without a page.
NO_PAGE = {
    "sign_out", "job_cancel", "job_retry", "undo", "note_add", "note_remove", "note_restore", "task_done", "task_reopen",
    "task_remove", "task_restore", "person_tags", "account_tags", "person_owner", "account_owner", "conditions_check",
    "activity_take_back", "consent_take_back", "movement_undo", "bulk_undo", "bulk_override", "suppression_find", "message_resend",
    "report_note", "report_note_remove", "report_pars", "ledger_check", "readiness_measure", "readiness_segment",
    "partner_approve", "partner_decline", "partner_reconsider", "partner_step", "best_customers_segment", "look_alikes_segment",
    "handoff_accept", "handoff_reject", "handoff_not_now", "handoff_pass_on", "routing_rule_move", "routing_rule_remove",
    "routing_adopt", "routing_offer", "notice_open", "notices_read", "notices_wish", "profile_away",
    "lifecycle_stalled_segment",
}  # fmt: skip
# Where somebody who sees everybody is told of those whom the salesperson does not see: else this would find nothing.
NAMING = {
    "partner_applications", "people", "accounts", "account", "account_people", "account_timeline", "account_choose", "search", "activities", "cases",
    "segment", "segment_members", "segment_history", "lifecycle_members", "lifecycle_board", "lifecycle_board_column",
    "bulk_move", "backtest_people", "backtest_moved", "backtest_movements", "scoring_model", "scoring_scores", "scoring_crossings", "report_people", "report_customers",
    "report_book",
    "report_lift_people", "ledger", "campaign_people", "outbox", "mailbox", "work", "content_people", "content_version",
    "lifecycle_overrides", "handoffs", "import", "import_rejects", "readiness_without", "best_customers_list", "form", "form_submissions", "form_refused",
}  # fmt: skip


# The rows of a file that became nobody are not for sales; a garbled link leads nowhere; there is no key.
NOT_OPENED = {
    "import_rejects", "message_click", "message_picture", "preferences", "password_set", "api_key_revoke",
    "form_page", "form_done", "form_confirm", "form_file", "handoff_link",
}  # fmt: skip
LISTS = {"segment_members", "readiness_without", "best_customers_list"}
PARTS = {
    "person_timeline": ("timeline", "timeline-older"), "account_timeline": ("timeline", "timeline-older"),
    "segment": ("as-of",), "segment_why": ("why-chosen",), "campaign_trace": ("trace-nurture",),
    "lifecycle_board": ("board-figures",), "report_funnel": ("report",), "report_loops": ("report",), "report_time": ("report",),
    "report_handoffs": ("report",),
}  # fmt: skip
MORE = {
    "search": ("q=zz", "q=ann%40zz"), "account_choose": ("q=zz", "account=zz", "parent=zz"), "content_people": ("person=zz",),
    "content": ("person=%23{foreign.person.pk}", "person=zz"), "content_version": ("person=%23{unowned.person.pk}",),
    "segment_members": ("as_of=2030-01-01",), "work": ("whose=all&state=any",),
    "handoffs": ("whose=all&state=any", "whose=nobody", "whose=team&export=csv", "q=zz"), "tags": ("tags=zz",),
    "person_new": ("account={foreign.account.pk}",), "task_new": ("subject={foreign.person.pk}",),
    "person_edit": ("account={foreign.account.pk}",), "report_funnel": (urlencode(SPAN),),
    "report_partners": (urlencode(SPAN),), "report_concentration": (urlencode(SPAN),), "report_retention": (urlencode(SPAN),),
    "conditions_values": ("of=person&field=person.email", "of=account&field=account.name"),
    "best_customers_list": ("who=all&of=account", "who=all&of=person&export=csv"),
    "lifecycle_board": ("as_of=2026-01-01",), "lifecycle_members": ("as_of=2026-01-01",), "person": ("as_of=2026-01-01",),
    "account": ("as_of=2026-01-01",), "person_timeline": ("as_of=2026-01-01",), "lifecycle_board_move": ("all=lead",), "people": ("sort=by_name", "account=zz", "account=%23{foreign.account.pk}"),
}  # fmt: skip


@pytest.fixture
def world():
    cache.clear()
    return worlds.build()


def asked_for(route, world):
    """The addresses of a route that are asked at once, each with the part that htmx would ask for, or none."""
    url = address(route, world, getattr(world.own, ABOUT[route.name]).pk if route.name in ABOUT else 0)
    yield url, ""
    name = route.name
    if name == "report_people":
        for metric in metrics.ALL.values():
            for part in ("", *metric.parts):
                told = {"lifecycle": "small", "metric": metric.name, "part": part, "stage": "lead", "target": "lead"}
                yield f"{url}?{urlencode(told | SPAN)}", ""
        told = {"lifecycle": "small", "metric": "in_flow", "stage": "lead", **SPAN}
        yield f"{url}?{urlencode(told | {'export': 'csv'})}", ""
        yield f"{url}?{urlencode(told | {'q': 'zz'})}", "list"
        return
    if name in ("report_customers", "report_lift_people"):
        for metric in (metrics.CUSTOMERS if name == "report_customers" else metrics.CAMPAIGNS).values():
            for part in metric.parts:
                for more in ({}, {"export": "csv"}, {"of": "people"}):
                    told = {"metric": metric.name, "part": part} | SPAN | more
                    yield f"{url}?{urlencode(told)}", ""
        return
    for query in MORE.get(name, ()):
        yield f"{url}?{query.format(foreign=world.foreign, unowned=world.unowned)}", ""
    if name == "lifecycle_board_column":
        after = pages.Position(timezone.now(), 10**12, 25).signed("board:-entered_at")
        yield f"{url}?{urlencode({'after': after})}", "cards"
    for part in PARTS.get(name, ()):
        yield url, part
    if name in LISTS or issubclass(getattr(route.callback, "view_class", View), pages.ListPage):
        for query in ("q=zz", "export=csv", "size=200"):
            yield f"{url}?{query}", ""
        yield url, "list"


class Crawl:
    """One reader's way through all there is: what was told, by route and address."""

    def __init__(self, client, world):
        self.client, self.world = client, world
        self.statuses: dict[str, set[int]] = {}
        self.names: dict[str, str] = {}  # the first address of each route at which somebody hidden was named
        self.followed: Counter[str] = Counter()
        self.done: set[tuple[str, str]] = set()
        self.links: list[str] = []

    def all(self, *, follow):
        for route in routes():
            if route.name not in NO_PAGE:
                for url, part in asked_for(route, self.world):
                    self.ask(route.name, url, part)
        while follow and self.links:
            url = self.links.pop()
            name = _route_of(url)
            if name and name not in NO_PAGE and self.followed[name] < FOLLOWED and (url, "") not in self.done:
                self.followed[name] += 1
                self.ask(name, url, "")

    def ask(self, name, url, part):
        if (url, part) in self.done:
            return
        self.done.add((url, part))
        headers = {"HX-Request": "true", "HX-Target": part} if part else {}
        answer = self.client.get(url, headers=headers)
        self.statuses.setdefault(name, set()).add(answer.status_code)
        assert answer.status_code < 500, url
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        text = html.unescape(body.decode("utf-8", "replace"))
        if hidden := [word for word in worlds.HIDDEN if word in text.lower()]:
            self.names.setdefault(name, f"{url} ({part}): {_around(text, hidden[0])}")
        if "html" in answer.headers.get("Content-Type", ""):
            self.links += [urljoin(url, html.unescape(found)) for found in LINK.findall(text)]


def _route_of(url):
    try:
        return resolve(urlsplit(url).path).url_name
    except Resolver404:
        return None


def _around(text, word):
    at = text.lower().index(word)
    return " ".join(text[max(at - 100, 0) : at + 100].split())


def test_no_page_part_or_file_names_whom_a_salesperson_does_not_see(client, world):
    client.force_login(world.sal)
    crawl = Crawl(client, world)
    crawl.all(follow=True)
    assert not crawl.names, "\n".join(f"{name}: {where}" for name, where in crawl.names.items())
    own = client.get(reverse("people")).content.decode()
    assert worlds.OWN in own, "it is not that nobody is named at all"
    role = User.Role.SALES
    may = {name for name, right in TAKES.items() if right not in rights.RIGHTS or role in rights.RIGHTS[right]}
    unopened = {name for name, told in crawl.statuses.items() if name in may and told.isdisjoint({200, 302, 405})}
    assert unopened == NOT_OPENED, unopened


def test_whoever_sees_everybody_is_told_of_them_on_those_very_pages(client, world):
    client.force_login(User.objects.create_user("m@example.com", "x", role=User.Role.ADMIN))
    crawl = Crawl(client, world)
    crawl.all(follow=False)
    assert set(crawl.names) >= NAMING, NAMING - set(crawl.names)


def test_one_of_the_same_team_sees_what_is_the_other_s(client, world):
    client.force_login(world.mate)
    assert worlds.OWN in client.get(world.own.person.get_absolute_url()).content.decode()
    assert client.get(world.foreign.person.get_absolute_url()).status_code == 404
