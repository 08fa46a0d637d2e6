"""The pages: every number opens a list as long as it says, empty pages say why, nonsense is answered kindly."""

import csv
import html
import io
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from audience.models import Person, Segment, SegmentMember
from kit import jobs
from kit.models import Job
from lifecycle.models import Version
from reporting import filling, integrity, tasks
from reporting.figures import funnel
from reporting.models import Fill, LedgerCheck
from tests import factories
from tests.reporting.ledger import NOW, lifecycle, reader, walk
from tests.reporting.test_funnel import january

pytestmark = pytest.mark.django_db
DOOR = re.compile(r'href="([^"]+)" data-metric="(\w+)"(?: data-count="(-?\d+)")?>([^<]*)')


@pytest.fixture
def visitor(client):
    client.force_login(reader())
    return client


def page(visitor, name, status=200, **asked):
    response = visitor.get(f"{reverse(name)}?{urlencode({key.rstrip('_'): value for key, value in asked.items()})}")
    assert response.status_code == status, response.content.decode()[:2000]
    return response


def text(response):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def doors(response):
    return [
        (html.unescape(url), metric, count, shown)
        for url, metric, count, shown in DOOR.findall(response.content.decode())
    ]


def exported(response):
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))


JANUARY = {"from_": "2025-01-01", "to": "2025-02-01"}


@pytest.mark.parametrize("asked", [{}, {"split": "person.country"}, {"within": "45"}])
def test_every_figure_on_the_funnel_page_opens_a_list_of_that_length(visitor, asked):
    sales = january()
    walk(sales, ("lead", 10), ("mql", 8))
    Person.objects.filter(pk=walk(sales, ("lead", 3)).person_id).update(is_excluded=True)
    filling.fill(sales, now=NOW)
    found = {door[:2]: door for door in doors(page(visitor, "report_funnel", **JANUARY, **asked))}
    assert {metric for _, metric in found} == set(funnel.METRICS) - {"by_version"}, "no version has followed another"
    for url, _metric, count, shown in found.values():
        opened = visitor.get(url)
        assert opened.status_code == 200, url
        listed = re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1)
        assert listed == count or not count and listed == shown.replace(",", ""), url
        assert len(exported(visitor.get(f"{url}&export=csv"))) - 1 == int(listed), url


def test_the_funnel_shows_what_was_counted(visitor):
    filling.fill(january(), now=NOW)
    told = text(page(visitor, "report_funnel", **JANUARY))
    assert "Entered “Lead”" in told
    assert "16.7%" in told and "16.667%" not in told  # one of six, as exactly as the interval beside it
    assert "Nobody is left out" in told
    assert "few: 66.7%, 4 of 6" in told  # the interval comes first
    assert "Moves forward out of the stage in the window" in told


def test_each_figure_of_a_table_names_its_column_for_a_phone_that_folds_it(visitor):
    filling.fill(january(), now=NOW)
    shown = page(visitor, "report_funnel", **JANUARY).content.decode()
    flow = shown.split('id="flow"', 1)[1].split("</table>", 1)[0]
    heads = re.findall(r'role="columnheader"[^>]*>([^<]*)<', flow)
    lines = flow.split("<tbody", 1)[1].split("</tr>")[:-1]
    assert len(heads) > 3 and lines
    for line in lines:
        assert re.findall(r'data-label="([^"]*)"', line) == heads[1:]


def test_facts_dated_the_wrong_way_round_are_said_and_open(visitor):
    sales = lifecycle()
    walk(sales, ("lead", 10), ("won", 8))
    filling.fill(sales, now=NOW)
    response = page(visitor, "report_funnel", **JANUARY)
    assert "1 “Won” dated before “Lead”: counted as the dates stand, not dropped." in text(response)
    url = next(url for url, metric, _, _ in doors(response) if metric == "velocity" and "part=negative" in url)
    assert "-2" in text(visitor.get(url))


def test_the_buckets_of_a_split_stand_on_the_page(visitor):
    filling.fill(january(), now=NOW)
    told = text(page(visitor, "report_funnel", split="person.country", **JANUARY))
    assert "By country" in told
    assert re.search(r"\(empty\) 2 .* unknown 1 .* Everybody 6", told)


def test_a_bucket_opens_its_own_people_and_the_empty_one_too(visitor):
    filling.fill(january(), now=NOW)
    found = doors(page(visitor, "report_funnel", split="person.country", **JANUARY))
    empty = [url for url, metric, _, _ in found if "bucket_empty=1" in url]
    named = [url for url, metric, _, _ in found if "bucket=unknown" in url]
    assert empty
    assert named
    assert "(empty)" in text(visitor.get(empty[0]))


def test_the_funnel_as_a_file_has_a_line_per_stage_and_bucket(visitor):
    filling.fill(january(), now=NOW)
    lines = exported(page(visitor, "report_funnel", export="csv", split="person.country", **JANUARY))
    heads = ["Part", "Stage", "At the start", "In", "Out", "Brought by a new version", "Taken by a new version"]
    assert lines[0][:8] == [*heads, "At the end"]
    assert lines[1][:8] == ["Everybody", "Lead", "1", "6", "6", "0", "0", "1"]
    assert len(lines) == 1 + 6 * 5


def test_without_a_lifecycle_the_page_says_what_to_do(visitor):
    response = page(visitor, "report_funnel")
    assert "No lifecycle is published yet" in text(response)
    assert reverse("lifecycles") in response.content.decode()


def test_a_span_without_moves_says_so_and_offers_all_time(visitor):
    filling.fill(january(), now=NOW)
    response = page(visitor, "report_funnel", from_="2020-01-01", to="2020-02-01")
    assert "Nobody moved in this time span" in text(response)
    assert "lifecycle=sales" in response.content.decode()


def test_before_the_first_fill_the_page_says_that_it_is_being_counted(visitor):
    january()
    assert "The figures are being counted" in text(page(visitor, "report_funnel"))


def test_while_history_is_replayed_the_page_shows_how_far_it_is(visitor):
    sales = january()
    jobs.register("test_replay", lambda held: None)
    job = Job.objects.create(
        kind="test_replay", title="Replay of Sales", state="running", rows_done=30, rows_total=60, created_at=NOW
    )
    Version.objects.filter(lifecycle=sales).update(state=Version.State.PUBLISHING, job=job)
    filling.fill(sales, now=NOW)
    told = text(page(visitor, "report_funnel"))
    assert "is being replayed" in told
    assert "30 of 60 rows" in told


@pytest.mark.parametrize(
    "asked",
    [
        {"lifecycle": "nothing"},
        {"lifecycle": "\x00"},
        {"window": "someday"},
        {"from_": "x", "to": "\x00"},
        {"from_": "9999-12-31"},
        {"to": "0001-01-01"},
        {"within": "-1"},
        {"within": "٣"},
        {"within": "9" * 400},
        {"split": "person.email"},
        {"split": "'; DROP TABLE kit_user; --"},
        {"split": "\x00"},
    ],
)
def test_nonsense_in_the_address_of_the_funnel_is_left_out_with_a_note(visitor, asked):
    filling.fill(january(), now=NOW)
    response = page(visitor, "report_funnel", **asked)
    assert "Entered “Lead”" in text(response) or "Nobody moved" in text(response)
    if asked not in ({"lifecycle": "\x00"}, {"split": "\x00"}):
        assert "note--warn" in response.content.decode()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({}, "There is no figure called “”."),
        ({"metric": "shoe_size"}, "There is no figure called “shoe_size”."),
        ({"metric": "balance", "stage": "lead"}, "“Balance” needs start or end of the time span."),
        ({"metric": "in_flow", "stage": "nowhere"}, "has no stage “nowhere”. It has: lead, mql"),
        ({"metric": "in_flow"}, "“In flow” needs a stage."),
        ({"metric": "in_flow", "stage": "lead", "part": "half"}, "has no part “half”"),
        ({"metric": "cohort_conversion", "stage": "won", "target": "lead"}, "from a stage to a later one"),
        ({"metric": "cohort_conversion", "target": "won"}, "needs a stage to start from"),
        ({"metric": "cohort_conversion", "stage": "lead", "target": "lost"}, "along the success path"),
        ({"metric": "out_flow", "stage": "lead", "direction": "up"}, "“up” is not understood here"),
        ({"metric": "in_flow", "stage": "lead", "lifecycle": "other"}, "names no published lifecycle"),
        ({"metric": "in_flow", "stage": "lead", "lifecycle": "\x00"}, "names no published lifecycle"),
    ],
)
def test_an_address_of_no_figure_is_answered_with_the_reason_and_the_way_back(visitor, asked, answer):
    filling.fill(january(), now=NOW)
    response = page(visitor, "report_people", 404, **{"lifecycle": "sales"} | asked)
    assert answer in text(response)
    assert reverse("report_funnel") in response.content.decode()


def test_a_bucket_that_nobody_is_in_opens_an_empty_list(visitor):
    filling.fill(january(), now=NOW)
    for bucket in ("Atlantis", "\x00Atlantis", "' OR 1=1 --"):
        asked = {"metric": "in_flow", "stage": "lead", "split": "person.country", "bucket": bucket}
        assert "Nobody" in text(page(visitor, "report_people", lifecycle="sales", **asked))


def test_a_list_can_be_searched_sorted_and_paged_without_losing_its_question(visitor):
    sales = lifecycle()
    for number in range(60):
        walk(sales, ("lead", 1 + number % 20), ("mql", 25), first_name=f"Ann{number:02}", last_name="Lee")
    filling.fill(sales, now=NOW)
    asked = {"lifecycle": "sales", "metric": "time_in_stage", "stage": "lead", **JANUARY}
    first = page(visitor, "report_people", sort="-days", **asked)
    assert "60 rows" in text(first)
    onward = next(html.unescape(url) for url in re.findall(r'href="([^"]*after=[^"]*)"', first.content.decode()))
    assert "metric=time_in_stage" in onward
    second = visitor.get(onward)
    assert len(re.findall(r"Ann\d\d", text(second))) == 10
    assert "Ann07" in text(page(visitor, "report_people", q="ann07 lee", **asked))
    assert "Nothing matches" in text(page(visitor, "report_people", q="nobody", **asked))
    kept = re.search(r'<form[^>]*id="list-filters"[^>]*action="([^"]*)"', first.content.decode()).group(1)
    assert kept == reverse("report_people")  # the form itself carries the question, once
    assert first.content.decode().count('name="metric" value="time_in_stage"') == 1


def test_a_list_shows_its_definition_its_base_and_how_many_subjects(visitor):
    sales = lifecycle()
    someone = factories.person(first_name="Ann")
    walk(sales, ("lead", 1), ("lost", 3), subject=someone)
    walk(sales, ("lead", 5), ("mql", 7), subject=someone)
    filling.fill(sales, now=NOW)
    asked = {"lifecycle": "sales", "metric": "cohort_conversion", "stage": "lead", "target": "mql", **JANUARY}
    told = text(page(visitor, "report_people", part="base", **asked))
    assert "Of the memberships that first entered the stage in the window" in told
    assert "1 reached it 2 entered 0 unfinished" in told
    assert "1 different subject" in told
    assert "pass 2" in told


def test_those_behind_a_figure_are_kept_as_a_segment_each_once(visitor):
    sales = lifecycle()
    ann, bob = factories.person(first_name="Ann"), factories.person(first_name="Bob")
    walk(sales, ("lead", 1), ("lost", 3), subject=ann)
    walk(sales, ("lead", 5), ("mql", 7), subject=ann)
    walk(sales, ("lead", 6), subject=bob)
    filling.fill(sales, now=NOW)
    asked = {"lifecycle": "sales", "metric": "in_flow", "stage": "lead", **JANUARY}
    shown = page(visitor, "report_people", **asked).content.decode()
    address = html.unescape(re.search(r'href="(/reports/people/segment/[^"]*)"', shown)[1])
    told = text(visitor.get(address))
    assert "2 people" in told and "No filter is set" not in told
    answer = visitor.post(address, {"name": "January leads"})
    kept = Segment.objects.get()
    assert answer.url == kept.get_absolute_url() and kept.kind == "static"
    members = SegmentMember.objects.filter(segment=kept)
    assert set(members.values_list("person_id", flat=True)) == {ann.pk, bob.pk}
    assert page(visitor, "report_people_segment", 404, lifecycle="sales", metric="nonsense")


def test_hostile_names_are_shown_as_text(visitor):
    sales = lifecycle()
    walk(sales, ("lead", 1), first_name="<script>alert(1)</script>", country="<img src=x onerror=alert(1)>")
    filling.fill(sales, now=NOW)
    asked = {"lifecycle": "sales", "metric": "in_flow", "stage": "lead", **JANUARY}
    assert "<script>alert" not in page(visitor, "report_people", **asked).content.decode()
    assert "<img src=x" not in page(visitor, "report_funnel", split="person.country", **JANUARY).content.decode()


def test_whoever_was_erased_is_listed_without_a_name(visitor):
    sales = lifecycle()
    gone = walk(sales, ("lead", 1), first_name="Ann").person
    Person.objects.filter(pk=gone.pk).update(erased_at=NOW, first_name="")
    filling.fill(sales, now=NOW)
    told = text(page(visitor, "report_people", lifecycle="sales", metric="in_flow", stage="lead", **JANUARY))
    assert f"Erased #{gone.pk}" in told


def test_reports_are_for_those_who_signed_in(client):
    for name in ("report_funnel", "report_people", "ledger"):
        response = client.get(reverse(name))
        assert response.status_code == 302
        assert response["Location"].startswith("/sign-in/")


def test_the_statements_of_the_funnel_page_are_counted(visitor, django_assert_num_queries):
    sales = january()
    filling.fill(sales, now=NOW)
    visitor.get(reverse("report_funnel"))
    with django_assert_num_queries(18):
        page(visitor, "report_funnel", **JANUARY)
    with django_assert_num_queries(28):  # two of them set how the split is planned, and back
        page(visitor, "report_funnel", split="person.country", **JANUARY)


def test_the_statements_of_a_list_do_not_depend_on_its_length(visitor, django_assert_num_queries):
    sales = january()
    filling.fill(sales, now=NOW)
    asked = {"lifecycle": "sales", "metric": "in_flow", "stage": "lead", **JANUARY}
    page(visitor, "report_people", **asked)
    with django_assert_num_queries(13):
        page(visitor, "report_people", **asked)


# ---- the ledger page ----


def test_the_ledger_page_shows_the_last_check_of_each_lifecycle(visitor):
    sales, other = january(), lifecycle("other")
    integrity.run(sales, now=NOW - timedelta(days=1))
    member = sales.membership_set.filter(ended_at=None).first()
    type(member).objects.filter(pk=member.pk).update(seq=9)
    integrity.run(sales, now=NOW)
    told = text(page(visitor, "ledger"))
    assert "Sales 1 thing is wrong" in told
    assert f"membership {member.pk}" in told
    assert "Other Not checked yet" in told
    assert other.slug == "other"


def test_a_sound_ledger_is_said_to_be_sound(visitor):
    integrity.run(january(), now=NOW)
    assert "All of it agrees" in text(page(visitor, "ledger"))


def test_a_check_is_asked_for_once(visitor):
    january()
    for _ in range(2):
        assert visitor.post(reverse("ledger_check")).status_code == 302
    job = Job.objects.get(kind=integrity.JOB)
    assert visitor.get(reverse("ledger_check")).status_code == 405
    jobs.run(job.pk, NOW)
    assert LedgerCheck.objects.get().found == 0


def test_without_a_lifecycle_the_ledger_page_says_so(visitor):
    assert "No ledger yet" in text(page(visitor, "ledger"))


# ---- home, and the tasks ----


def test_home_shows_the_species_with_their_balances(visitor):
    filling.fill(january(), now=NOW)
    response = visitor.get(reverse("home"))
    told = text(response)
    assert "Net-new" in told
    assert re.search(r"Lead 1 .*MQL|Lead 1 Mql", told)
    for url, metric, count, _ in doors(response):
        assert metric in ("balance", "in_flow")
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode()


def test_somebody_who_looks_at_old_figures_has_them_counted(visitor, monkeypatch):
    sales = january()
    asked_for = []
    monkeypatch.setattr("kit.hints.later", lambda task, target: asked_for.append((task, target)))
    page(visitor, "report_funnel")
    assert asked_for == [("reporting.tasks.fill_lifecycle", sales.pk)]
    tasks.fill_lifecycle(sales.pk)
    assert Fill.objects.get().filled_at is not None
    page(visitor, "report_funnel")
    assert len(asked_for) == 1
