"""Loops against tables counted by hand, periods, chart notes, and every figure of the page against its list."""

import html
import re
from datetime import date

import pytest
from django.urls import reverse

from kit.models import AuditEntry, User
from kit.statistics import Share
from lifecycle.ledger import stages
from reporting import filling, loops, notes, plans
from reporting.models import ChartNote
from reporting.questions import ask
from reporting.windows import Window
from tests import factories
from tests.reporting.ledger import NOW, TODAY, lifecycle, move, on, walk
from tests.reporting.test_pages import doors, exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def send(member, day, reason):
    """To the detour, for a reason."""
    member.refresh_from_db()
    to = member.version.stages.get(slug="recycled")
    assert stages.move(member, to=to, reason=reason, by=None, at=on(day), now=NOW)


def winter(through):
    """Six histories of January and February 2025."""
    back = walk(through, ("lead", 1), ("mql", 2))  # not now, back after 20 days, and won
    send(back, 5, "Not now")
    for step in (("mql", 25), ("sql", 28), ("won", 30)):
        move(back, *step)
    twice = walk(through, ("lead", 1), ("mql", 3))  # not now, back after 10 days to lead, sent again
    send(twice, 10, "Not now")
    move(twice, "lead", 20)
    send(twice, 22, "Silent")
    walk(through, ("lead", 2), ("mql", 4), ("recycled", 9), ("lost", 12))  # left the model by the end off the path
    late = walk(through, ("mql", 6), ("sql", 8))
    send(late, 12, "Not now")
    move(late, "mql", 45)  # back in February, after 33 days
    walk(through, ("lead", 3), ("won", 20))
    someone = factories.person()
    walk(through, ("lead", date(2024, 12, 1)), ("mql", date(2024, 12, 2)), ("lost", date(2024, 12, 5)), subject=someone)
    walk(through, ("lead", 7), ("mql", 8), subject=someone)


def asked(through, start=1, end=32, **more):
    filling.fill(through, now=NOW)
    window = Window(on(start).date(), on(end).date())
    return ask(plans.read(through), window, TODAY, now=NOW).about(stage="mql", target="sql", **more)


def told(loop):
    return (loop.sent, loop.returned.hits, loop.days.median, loop.won)


def test_the_loops_of_january_are_as_counted_by_hand():
    through = lifecycle()
    winter(through)
    answer = loops.answer(asked(through))
    assert told(answer.everybody) == (5, 3, 20, 1)
    assert {stage: told(loop) for stage, loop in answer.by_stage.items()} == {
        "mql": (3, 2, 15, 1), "sql": (1, 1, 33, 0), "lead": (1, 0, None, 0),
    }  # fmt: skip
    assert [(reason, told(loop)) for reason, loop in answer.by_reason] == [
        ("Not now", (3, 3, 20, 1)), ("", (1, 0, None, 0)), ("Silent", (1, 0, None, 0)),
    ]  # fmt: skip
    assert answer.by_stage["mql"].back == {"mql": 1, "lead": 1}
    assert answer.wins == Share(1, 2)


def test_a_reason_narrows_those_sent_and_their_wins():
    through = lifecycle()
    winter(through)
    answer = loops.answer(asked(through, reason="Silent"))
    assert told(answer.everybody) == (1, 0, None, 0)
    assert answer.wins == Share(0, 2)
    assert answer.reasons == ["Not now", "Silent", ""] or set(answer.reasons) == {"Not now", "Silent", ""}


def test_first_time_and_again_count_over_passes():
    through = lifecycle()
    winter(through)
    entries = loops.answer(asked(through)).entries
    # Lead: four for the first time; again by the return, and by a second pass. Mql: likewise.
    assert entries == {"lead": (4, 2), "mql": (4, 2), "sql": (2, 0), "won": (2, 0)}


def test_periods_are_cut_at_their_days():
    through = lifecycle()
    winter(through)
    periods = loops.answer(asked(through), [(on(4).date(), "Price rise"), (on(60).date(), "Later")]).periods
    assert [(each.because, each.conversion.hits, each.conversion.of) for each in periods] == [
        ("", 1, 2), ("Price rise", 1, 3),
    ]  # fmt: skip


SPAN = {"from_": "2025-01-01", "to": "2025-02-01"}


@pytest.mark.parametrize("more", [{}, {"reason": "Not now"}])
def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor, more):  # noqa: F811
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    ChartNote.objects.create(day=on(4).date(), text="Price rise", created_at=NOW)
    found = {door[:2]: door for door in doors(page(visitor, "report_loops", **SPAN, **more))}
    assert {metric for _, metric in found} - {"neglect"} == {
        "recycled", "time_until_return", "detoured_wins", "first_and_repeat", "cohort_conversion", "detour_value",
    }  # fmt: skip
    for url, metric, count, _shown in found.values():
        opened = visitor.get(url)
        assert opened.status_code == 200, url
        assert re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1) == count, (metric, url)
        assert len(exported(visitor.get(f"{url}&export=csv"))) - 1 == int(count), url


def test_the_page_says_what_became_of_them_and_gives_a_file(visitor):  # noqa: F811
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    shown = text(page(visitor, "report_loops", cut="2025-01-04", **SPAN))
    assert re.search(r"Not now 3 3 100\.0% 20 1", shown)
    assert "Jan 4, 2025 – Jan 31, 2025 your day" in shown
    assert "few: " in shown
    assert "“soon” is no day" in text(page(visitor, "report_loops", cut="soon", **SPAN))
    lines = exported(page(visitor, "report_loops", export="csv", **SPAN))
    assert lines[1] == ["Everybody", "", "5", "3", "20.0", "33", "1"]


def test_a_reason_that_was_not_given_opens_its_list(visitor):  # noqa: F811
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    shown = text(page(visitor, "report_people", lifecycle="sales", metric="recycled", reason_empty="1", **SPAN))
    assert "1 different subject" in shown


def test_without_a_lifecycle_or_moves_the_page_says_why(visitor):  # noqa: F811
    assert "No lifecycle is published yet" in text(page(visitor, "report_loops"))
    filling.fill(lifecycle(), now=NOW)
    assert "Nobody moved in this time span" in text(page(visitor, "report_loops", **SPAN))


# ---- chart notes ----


def test_notes_are_added_shown_in_their_window_and_removed_by_those_who_may_edit(client):
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    shown = f"{reverse('report_funnel')}?from=2025-01-01&to=2025-02-01"
    answer = client.post(reverse("report_note"), {"day": "2025-01-31", "text": "Price <rise>", "next": shown})
    assert (answer.status_code, answer.url) == (302, shown)
    note = ChartNote.objects.get()
    assert note.created_by.email == "ada@example.com"
    for name in ("report_funnel", "report_loops"):
        assert (
            "Price &lt;rise&gt;"
            in client.get(reverse(name), {"from": "2025-01-01", "to": "2025-02-01"}).content.decode()
        )
        assert (
            "Price &lt;rise"
            not in client.get(reverse(name), {"from": "2025-01-01", "to": "2025-01-31"}).content.decode()
        )
    assert client.post(reverse("report_note"), {"day": "never", "text": "x"}).url == reverse("report_funnel")
    assert client.post(reverse("report_note_remove", args=[note.pk]), {"next": "https://evil.example/"}).url == reverse(
        "report_funnel"
    )
    assert not ChartNote.objects.exists()
    undo = html.unescape(re.search(r'action="(/reports/[^"]*day=[^"]*)"', client.get(shown).content.decode())[1])
    client.post(undo, {"next": shown})
    assert (ChartNote.objects.get().day, ChartNote.objects.get().text) == (note.day, note.text)
    told = AuditEntry.objects.filter(action__startswith="chart_note").order_by("pk")
    assert [entry.action for entry in told] == ["chart_note.add", "chart_note.remove", "chart_note.add"]


def test_whoever_may_not_edit_sees_notes_but_no_form(client):
    filling.fill(lifecycle(), now=NOW)
    notes.add(TODAY, "Fair", by=None, now=NOW)
    client.force_login(User.objects.create_user("sal@example.com", "x", role=User.Role.SALES))
    shown = client.get(reverse("report_funnel"), {"from": "2025-01-01", "to": "2026-01-01"}).content.decode()
    assert "Fair" in shown
    assert "Note what happened" not in shown
    assert reverse("report_note_remove", args=[1])[:15] not in shown


def test_the_statements_of_the_page_are_counted(visitor, django_assert_num_queries):  # noqa: F811
    through = lifecycle()
    winter(through)
    filling.fill(through, now=NOW)
    page(visitor, "report_loops", **SPAN)
    with django_assert_num_queries(17):
        page(visitor, "report_loops", **SPAN)
