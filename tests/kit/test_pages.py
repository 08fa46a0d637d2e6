"""List pages: every row exactly once in every order, views in the address, bad addresses answered, safe export."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Length
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from kit import pages
from kit.models import Job, User

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
URL = "/operations/jobs/"
PASSWORD = "a long password"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.OPS)


@pytest.fixture
def signed_in(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def make_jobs(count: int, **values: Any) -> list[Job]:
    """Jobs with many ties, and some without a start, so that order and paging have something to go wrong with."""
    dice = random.Random(7)
    made = [
        Job(
            kind=dice.choice(["import", "replay"]),
            title=f"file-{dice.randint(1, 9)}.csv",
            rows_done=dice.randint(0, 5),
            created_at=NOW - timedelta(hours=dice.randint(0, 9)),
            started_at=dice.choice([None, NOW + timedelta(minutes=dice.randint(0, 4))]),
            state=Job.State.DONE,
        )
        for _ in range(count)
    ]
    for job in made:
        for name, value in values.items():
            setattr(job, name, value)
    return Job.objects.bulk_create(made)


def shown(response: Any) -> list[int]:
    """The numbers of the jobs on a page, from its links."""
    return [int(number) for number in re.findall(r'class="table__main" href="/operations/jobs/(\d+)/"', text(response))]


def text(response: Any) -> str:
    return response.content.decode()


def downloaded(response: Any) -> list[list[str]]:
    body = b"".join(response.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


# ---- paging ----


@pytest.mark.parametrize(
    "sort", ["", "pk", "rows_done", "-rows_done", "started_at", "-started_at", "created_by__name", "length"]
)
def test_walking_the_pages_forth_and_back_meets_every_row_once_and_in_order(db: None, ada: User, sort: str) -> None:
    make_jobs(43)
    Job.objects.filter(pk__in=Job.objects.values("pk")[:11]).update(created_by=ada)
    rows = Job.objects.annotate(length=Length("title"))
    wanted = [job.pk for job in pages.ordered(rows, sort)]

    walked, firsts = [], []
    page = pages.page_of(rows, sort=sort, size=5)
    assert page.before is None
    while True:
        walked += [job.pk for job in page.rows]
        firsts.append(page.first)
        if not page.after:
            break
        page = pages.page_of(rows, sort=sort, size=5, after=page.after)
    assert walked == wanted
    assert firsts == list(range(1, 44, 5))

    backwards = [job.pk for job in page.rows]
    while page.before:
        page = pages.page_of(rows, sort=sort, size=5, before=page.before)
        backwards = [job.pk for job in page.rows] + backwards
    assert backwards == wanted
    assert page.first == 1


def test_rows_without_a_value_come_last_in_both_directions(db: None) -> None:
    make_jobs(20)
    for sort in ("started_at", "-started_at"):
        starts = [job.started_at for job in pages.ordered(Job.objects.all(), sort)]
        known = [start for start in starts if start]
        assert starts == known + [None] * (len(starts) - len(known))
        assert known == sorted(known, reverse=sort.startswith("-"))


def test_a_row_added_while_reading_moves_no_row_of_the_next_page(db: None) -> None:
    make_jobs(12, rows_done=1)
    first = pages.page_of(Job.objects.all(), sort="rows_done", size=5)
    make_jobs(3, rows_done=0)
    second = pages.page_of(Job.objects.all(), sort="rows_done", size=5, after=first.after)
    assert not {job.pk for job in first.rows} & {job.pk for job in second.rows}
    assert len(second.rows) == 5


def test_the_total_is_exact_up_to_its_limit_and_said_to_be_more_beyond(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_jobs(12)
    assert str(pages.counted(Job.objects.all())) == "12"
    monkeypatch.setattr(pages.paging, "COUNTED_TO", 10)
    assert str(pages.counted(Job.objects.all())) == "10+"


def test_next_and_previous_lead_through_the_list_and_keep_its_filters(signed_in: Client) -> None:
    make_jobs(120, kind="import")
    make_jobs(5, kind="replay")
    first = signed_in.get(URL, {"kind": "import", "sort": "rows_done"})
    assert "1–50 of 120" in text(first) and "Previous" not in text(first)
    second = signed_in.get(first.context["after_view"])
    assert "51–100 of 120" in text(second)
    third = signed_in.get(second.context["after_view"])
    assert "101–120 of 120" in text(third) and third.context["after_view"] == ""
    assert len(set(shown(first) + shown(second) + shown(third))) == 120
    assert shown(signed_in.get(third.context["before_view"])) == shown(second)


def test_a_position_whose_rows_are_gone_shows_the_first_page(signed_in: Client) -> None:
    make_jobs(60)
    second = signed_in.get(URL).context["after_view"]
    keep = Job.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)[:2]
    Job.objects.exclude(pk__in=list(keep)).delete()
    assert len(shown(signed_in.get(second))) == 2


# ---- the view in the address ----


def test_the_address_alone_brings_back_filter_sort_and_size(signed_in: Client) -> None:
    jobs = make_jobs(30)
    response = signed_in.get(URL, {"kind": "import", "sort": "-rows_done", "size": "100"})
    wanted = sorted((job for job in jobs if job.kind == "import"), key=lambda job: (-job.rows_done, -job.pk))
    assert shown(response) == [job.pk for job in wanted]
    assert 'aria-sort="descending"' in text(response)
    assert "Kind:" in text(response)


def test_a_chip_leads_to_the_view_without_its_filter(signed_in: Client) -> None:
    make_jobs(9)
    response = signed_in.get(URL, {"kind": "import", "q": "file"})
    views = {chip["name"]: chip["view"] for chip in response.context["chips"]}
    assert views == {"kind": f"{URL}?q=file", "q": f"{URL}?kind=import"}


def test_the_first_click_on_a_head_sorts_and_the_second_turns_it(signed_in: Client) -> None:
    make_jobs(2)
    heads = {head["column"].name: head for head in signed_in.get(URL).context["columns"]}
    assert heads["state"]["view"] == f"{URL}?sort=state"
    assert heads["rows_done"]["view"] == f"{URL}?sort=-rows_done"
    turned = {head["column"].name: head for head in signed_in.get(URL, {"sort": "state"}).context["columns"]}
    assert turned["state"]["view"] == f"{URL}?sort=-state"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=password", "cannot be sorted by “password”"),
        ("sort=created_by__password", "cannot be sorted"),
        ("size=7", "50, 100, 200"),
        ("size=999999999999999999999", "50, 100, 200"),
        ("after=nonsense", "not understood"),
        ("before=W10%3A1xyz%3Aabc", "not understood"),
        ("state=flying", "The filter “State” was left out"),
        ("q=%00", "The filter “Search” was left out"),
        ("colour=red", "“colour” is no filter"),
        ("%3Cscript%3E=1", "“&lt;script&gt;” is no filter"),
        ("export=pdf", ""),
    ],
)
def test_what_the_address_says_wrongly_is_left_out_and_said(signed_in: Client, query: str, said: str) -> None:
    make_jobs(3)
    response = signed_in.get(f"{URL}?{query}")
    assert response.status_code == 200
    assert said in text(response)
    assert len(shown(response)) == 3


def test_a_position_of_another_order_is_not_taken_for_one_of_this(signed_in: Client) -> None:
    make_jobs(60)
    position = signed_in.get(URL, {"sort": "created_at"}).context["after_view"].split("after=")[1]
    response = signed_in.get(f"{URL}?sort=rows_done&after={position}")
    assert "not understood" in text(response) and "1–50 of 60" in text(response)


def test_a_list_without_rows_says_so_and_one_filtered_empty_offers_to_clear(signed_in: Client) -> None:
    assert "No work yet" in text(signed_in.get(URL))
    make_jobs(2)
    assert "Clear the filters" in text(signed_in.get(URL, {"q": "no such file"}))


def test_htmx_gets_the_part_that_the_page_itself_includes(signed_in: Client) -> None:
    make_jobs(3)
    headers = {"HX-Request": "true", "HX-Target": "list"}
    part = signed_in.get(URL, {"kind": "import", "q": ""}, headers=headers)
    assert "<html" not in text(part) and 'id="list"' in text(part)
    assert part["HX-Push-Url"] == f"{URL}?kind=import"
    assert "HX-Request" in part["Vary"]
    whole = signed_in.get(URL, {"kind": "import"})
    assert "<html" in text(whole) and shown(whole) == shown(part)
    again = signed_in.get(URL, headers=headers | {"HX-History-Restore-Request": "true"})
    assert "<html" in text(again)


def test_a_list_costs_the_same_number_of_queries_for_one_row_and_for_fifty(
    signed_in: Client, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_jobs(1, created_by=ada)
    signed_in.get(URL)
    # Session, user, the zone, keys, rows, count, the kinds to filter by; above the list what waits, who works, and what is to be sent (3).
    with django_assert_num_queries(12):
        signed_in.get(URL)
    make_jobs(60, created_by=ada)
    with django_assert_num_queries(12):
        signed_in.get(URL)


# ---- export ----


def test_the_export_holds_every_row_of_the_view_in_its_order(signed_in: Client) -> None:
    make_jobs(75)
    rows = downloaded(signed_in.get(URL, {"kind": "import", "sort": "-rows_done", "export": "csv"}))
    assert rows[0] == ["Job", "State", "Worked through", "Asked by", "Asked for", "Took"]
    done = [int(row[2]) for row in rows[1:]]
    assert len(done) == Job.objects.filter(kind="import").count()
    assert done == sorted(done, reverse=True)


def test_a_column_shows_nothing_for_what_is_missing_on_its_path(db: None) -> None:
    job = Job(kind="import", created_at=NOW)
    by = pages.Column("by", "By", value="created_by.name")
    assert by.of(job) is None
    assert by.text(job) == '<span class="nothing">–</span>'


def test_annotations_of_a_list_can_be_sorted_by(db: None) -> None:
    make_jobs(8)
    rows = Job.objects.annotate(twice=F("rows_done") * 2)
    page = pages.page_of(rows, sort="-twice", size=3)
    assert page.after is not None and page.after.value == page.rows[-1].rows_done * 2
    assert [job.twice for job in page.rows] == [job.rows_done * 2 for job in page.rows]
