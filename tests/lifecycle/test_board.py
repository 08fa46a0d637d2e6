"""The board: columns, exact figures that open their lists, cards page by page, filters, bulk moves from it."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.models import DealRole
from audience.subjects import listing
from kit import installation, jobs, pages
from kit.models import User
from lifecycle import board
from lifecycle.ledger import moving, stages
from lifecycle.models import BulkMove, Membership
from tests.factories import SMALL, account, days_ago, deal, person, published
from tests.lifecycle.crowds import crowd

pytestmark = pytest.mark.django_db
BOARD = reverse("lifecycle_board", args=["small"])
OF_ACCOUNTS = SMALL.replace("species: net_new", "species: partner\nof: account").replace(
    "{field: person.country, op: is, value: DE}", "{field: account.country, op: is, value: DE}"
)


@pytest.fixture
def sara():
    return User.objects.create_user("sara@example.com", "secret", name="Sara Lindt", role=User.Role.MARKETER)


@pytest.fixture
def browser(client, sara):
    client.force_login(sara)
    return client


@pytest.fixture
def version():
    return published()


def placed(version, slug="known", days=5, subject=None, **values):
    subject = subject or (person if version.lifecycle.of == "person" else account)(**values)
    at = timezone.now() - timedelta(days=days)
    stage = version.stages.get(slug=slug)
    assert stages.place(subject.pk, version, to=stage, reason="", by=None, at=at, now=at)
    return Membership.objects.get(subject_id=subject.pk)


def shown(browser, **asked):
    response = browser.get(BOARD, asked)
    assert response.status_code == 200
    return {column.stage.slug: column for column in response.context["board"]}


def names(column):
    return [card.subject.first_name for card in column.cards]


def test_the_columns_are_the_success_path_then_detours_without_gates_and_ends_are_slim(browser, version):
    columns = shown(browser)
    assert list(columns) == ["known", "engaged", "lead", "won", "resting"]
    assert [slug for slug, column in columns.items() if column.is_slim] == ["won"]


def test_a_card_says_who_of_which_account_how_long_and_whose(browser, version, sara):
    acme = account(name="Acme Rail")
    member = placed(version, days=7, first_name="Ada", last_name="Okafor", account=acme, owner=sara)
    Membership.objects.filter(pk=member.pk).update(due_at=days_ago(1))
    [card] = shown(browser)["known"].cards
    assert (str(card.subject), card.beside, card.days, card.is_overdue, card.owner) == (
        "Ada Okafor", "Acme Rail", 7, True, sara,
    )  # fmt: skip
    content = " ".join(browser.get(BOARD).content.decode().split())
    for words in ("Ada Okafor", "Acme Rail", "7 days", "overdue", "Owner: Sara Lindt", ">SL<"):
        assert words in content


def test_the_newest_come_first_unless_the_longest_are_asked_for(browser, version):
    for days in (3, 9, 1):
        placed(version, days=days, first_name=f"of {days} days")
    assert names(shown(browser)["known"]) == ["of 1 days", "of 3 days", "of 9 days"]
    assert names(shown(browser, sort="entered_at")["known"]) == ["of 9 days", "of 3 days", "of 1 days"]


def test_deals_are_counted_once_in_a_column_and_other_currencies_are_said(browser, version):
    installation.put("currency", "EUR")
    ada, ben, eve = (placed(version).person for _ in range(3))
    lead = placed(version, "lead").person
    shared = deal(ada, days_ago(3), amount=1_000_00, currency="EUR")
    DealRole.objects.create(deal=shared, person=ben, role="buyer")
    DealRole.objects.create(deal=shared, person=ben, role="user")
    DealRole.objects.create(deal=shared, person=lead)
    deal(ben, days_ago(3), amount=500_00, currency="")  # what names none is in the installation's
    deal(ben, days_ago(3), amount=7_00, currency="USD")
    deal(eve, days_ago(9), days_ago(3), amount=9_000_00, currency="EUR")  # won
    columns = shown(browser)
    assert columns["known"].figures == board.Figures(count=3, amount=1_500_00, deals=2, others=1, with_deal=2)
    assert columns["lead"].figures == board.Figures(count=1, amount=1_000_00, deals=1, others=0, with_deal=1)
    assert columns["engaged"].figures == board.Figures()
    content = " ".join(browser.get(BOARD).content.decode().split())
    assert "1.5k EUR + </a>" in content
    deal(placed(version, "engaged").person, days_ago(3), amount=7_00, currency="USD")
    assert "1 deal in another currency </a>" in " ".join(browser.get(BOARD).content.decode().split())


def test_a_board_of_accounts_sums_their_own_deals_and_those_as_a_partner(browser):
    version = published(OF_ACCOUNTS)
    acme, bolt = (placed(version, name=name, industry="Rail", country="DE").account for name in ("Acme", "Bolt"))
    deal(acme, days_ago(3), amount=1_000_00, currency="EUR", partner=bolt)
    columns = shown(browser)
    assert columns["known"].figures == board.Figures(count=2, amount=1_000_00, deals=1, others=0, with_deal=2)
    assert {card.beside for card in columns["known"].cards} == {"Rail · DE"}


def test_every_figure_is_the_length_of_the_list_that_it_opens(browser, version, sara):
    acme = account(name="Acme", industry="Rail")
    for number in range(9):
        values = {"country": "DE" if number % 2 else "", "is_excluded": number == 8}
        member = placed(version, ["known", "lead", "won"][number % 3], account=acme if number % 3 else None, **values)
        if number % 2:
            deal(member.person, days_ago(3), amount=1_00, currency="EUR")
    person_of_sara = Membership.objects.first().person
    person_of_sara.owner = sara
    person_of_sara.save()
    looked_at = 0
    for asked in ({}, {"country": "DE"}, {"industry": "Rail"}, {"industry": "(empty)"}, {"owner": sara.pk},
                  {"owner": "(empty)"}, {"left_out": "all"}, {"left_out": "yes"}, {"account": "acme"}, {"deal": "no"}):  # fmt: skip
        content = browser.get(BOARD, asked).content.decode()
        for address, count in re.findall(r'href="([^"]+)" data-metric="board[^"]+" data-count="(\d+)"', content):
            response = browser.get(address.replace("&amp;", "&"))
            assert response.context["total"].count == int(count), (asked, address)
            assert response.context["notes"] == []
            looked_at += 1
    assert looked_at > 60


def test_who_is_left_out_of_figures_is_not_on_the_board_unless_asked_for(browser, version):
    placed(version, first_name="Counts")
    placed(version, first_name="Test", is_excluded=True)
    assert names(shown(browser)["known"]) == ["Counts"]
    assert names(shown(browser, left_out="yes")["known"]) == ["Test"]
    assert shown(browser, left_out="all")["known"].figures.count == 2


def test_filters_narrow_cards_figures_and_the_export_alike(browser, version):
    placed(version, first_name="Ada", email="ada@acme.example", country="DE")
    placed(version, "lead", first_name="Ben", country="FR")
    columns = shown(browser, q="ada")
    assert names(columns["known"]) == ["Ada"] and columns["lead"].figures.count == 0
    export = b"".join(browser.get(BOARD, {"country": "FR", "export": "csv"}).streaming_content).decode()
    assert export.splitlines()[1].startswith("Ben,Lead,") and len(export.splitlines()) == 2
    response = browser.get(BOARD, {"colour": "blue", "sort": "name"})
    assert len(response.context["notes"]) == 2


def test_a_long_column_begins_with_a_few_and_goes_on_by_its_last_card(browser, version):
    members = crowd(version, 60)
    column = shown(browser)["known"]
    assert (column.figures.count, len(column.cards)) == (60, board.FIRST)
    seen = [card.membership.pk for card in column.cards]
    address = column.more_url
    while address:
        response = browser.get(address, headers={"HX-Request": "true"})
        seen += [card.membership.pk for card in response.context["cards"]]
        address = response.context["more_url"]
    assert seen == sorted((each.pk for each in members), reverse=True)
    plain = browser.get(column.more_url)
    assert plain.status_code == 302 and plain.url.startswith("/lifecycles/small/members/?stage=known")


def test_the_page_takes_the_same_queries_however_many_there_are(browser, version, django_assert_num_queries):
    crowd(version, 3)
    # session, user, zone; lifecycle, version; owners to filter by (industries and countries are remembered); currency,
    # figures, stages; keys of cards, cards, zone, facts of other apps; reasons by hand; currency
    browser.get(BOARD)
    with django_assert_num_queries(15):
        browser.get(BOARD)
    crowd(version, 200)
    crowd(version, 50, "lead")
    with django_assert_num_queries(15):
        browser.get(BOARD)


def test_the_figures_alone_are_drawn_for_the_script(browser, version):
    placed(version)
    response = browser.get(BOARD, headers={"HX-Request": "true", "HX-Target": "board-figures"})
    content = response.content.decode()
    assert content.count('hx-swap-oob="true"') == 2 * 5 and "<article" not in content and "bcard" not in content


def test_a_column_that_another_app_puts_on_cards_is_there_unless_it_is_empty(browser, version, monkeypatch):
    monkeypatch.setattr(listing, "_extras", {})
    column = pages.Column("fit", "Fit", value=lambda row: 62 if row.first_name == "Ada" else 7)
    drawn = pages.Column("tags", "Tags", template="x.html", export=lambda row: "vip" if row.first_name == "Ada" else "")
    for each in (column, drawn):
        listing.register(listing.Extra(of="person", column=each, annotations=dict, on_card=True))
    placed(version, first_name="Ada", days=1)
    placed(version, first_name="Ben", days=2)
    ada, ben = shown(browser)["known"].cards
    assert (ada.facts, ben.facts) == ([("Fit", "62"), ("Tags", "vip")], [("Fit", "7")])
    assert '<span class="visually-hidden">Fit: </span>62' in browser.get(BOARD).content.decode()


def test_who_may_only_look_gets_no_way_to_move(client, version):
    client.force_login(User.objects.create_user("vera@example.com", "secret", role=User.Role.VIEWER))
    placed(version)
    content = client.get(BOARD).content.decode()
    for way in ("draggable", "board-bulk", "/move/", "board.js", "checkbox"):
        assert (
            way
            not in content.replace('draggable="false"', "")
            .replace('id="drawer"', "")
            .replace('<input type="checkbox"  aria-controls', "")
            or way == "checkbox"
        )
    assert client.post(BOARD + "move/", {"to": 1}).status_code == 403


def test_a_lifecycle_without_a_live_version_leads_to_its_page(browser):
    from tests.factories import draft

    draft()
    response = browser.get(BOARD, follow=True)
    assert "has no live version yet" in response.content.decode()


# ---- many ----


def move_many(browser, **told):
    return browser.post(BOARD + "move/", {"reason": "Fair"} | told, follow=True)


def said(response):
    return " ".join(str(message) for message in response.context["messages"])


def test_ticked_cards_are_moved_and_the_answer_leads_to_the_undo(browser, version):
    some = crowd(version, 4)
    lead = version.stages.get(slug="lead")
    stages.move(
        some[3], to=version.stages.get(slug="engaged"), reason="", by=None, at=timezone.now(), now=timezone.now()
    )
    told = [f"{each.pk}:1" for each in some] + ["x", "9:y", "9" * 30 + ":1", ""]
    response = move_many(browser, to=lead.pk, member=told, asked="country=")
    assert said(response) == "3 moved to “Lead”. 1 was skipped: somebody else had moved it first."
    bulk = BulkMove.objects.get()
    undo = reverse("bulk_undo", args=[bulk.pk])
    assert undo in response.content.decode() and bulk.get_absolute_url() in response.content.decode()
    began = timezone.now()
    response = browser.post(undo, {"next": BOARD}, follow=True)
    assert {each.entered_at > began for each in Membership.objects.filter(pk__in=[each.pk for each in some[:3]])} == {
        True
    }
    assert said(response) == "Taken back: everybody is where they were. Their time in the stage begins anew."
    assert moving.outcomes(bulk) == {"undone": 3, "skipped": 1}
    assert "nothing to take back" in said(browser.post(undo, follow=True))


def test_everybody_of_a_column_and_filter_is_moved_and_nobody_else(browser, version):
    placed(version, first_name="Other", country="FR")
    placed(version, first_name="Left out", country="DE", is_excluded=True)
    wanted = [placed(version, country="DE") for _ in range(3)]
    page = browser.get(BOARD + "move/", {"all": "known", "country": "DE"})
    assert page.context["count"] == 3 and "Move 3" in page.content.decode()
    move_many(browser, to=version.stages.get(slug="lead").pk, all="known", asked="country=DE")
    moved = Membership.objects.filter(stage__slug="lead").values_list("pk", flat=True)
    assert set(moved) == {each.pk for each in wanted}


def test_everybody_that_the_filters_leave_is_moved_from_all_columns(browser, version):
    wanted = [placed(version, slug, country="DE") for slug in ("known", "engaged", "resting")]
    placed(version, "known", country="FR")
    placed(version, "won", country="DE")
    page = browser.get(BOARD, {"country": "DE"})
    assert "Move all 3 …" in page.content.decode()
    form = browser.get(page.context["move_whole"])
    assert form.context["count"] == 3 and 'name="whole"' in form.content.decode()
    move_many(browser, to=version.stages.get(slug="lead").pk, whole="on", asked=form.context["asked"])
    assert set(Membership.objects.filter(stage__slug="lead").values_list("pk", flat=True)) == {m.pk for m in wanted}


def test_many_become_a_job_with_a_page_that_names_each(browser, version):
    crowd(version, moving.AT_ONCE + 5)
    response = move_many(browser, to=version.stages.get(slug="lead").pk, all="known")
    bulk = BulkMove.objects.get()
    assert response.redirect_chain == [(bulk.get_absolute_url(), 302)]
    assert jobs.run(bulk.job_id, timezone.now())
    page = browser.get(bulk.get_absolute_url(), {"outcome": "moved"})
    assert page.context["total"].count == 205 and "Take 205 back" in page.content.decode()
    export = b"".join(browser.get(bulk.get_absolute_url(), {"export": "csv"}).streaming_content).decode()
    assert len(export.splitlines()) == 206
    browser.post(reverse("bulk_undo", args=[bulk.pk]))
    bulk.refresh_from_db()
    assert jobs.run(bulk.undo_job_id, timezone.now())
    assert Membership.objects.filter(stage__slug="known").count() == 205


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"to": ""}, "choose a stage and say why"),
        ({"reason": ""}, "choose a stage and say why"),
        ({"to": "999999"}, "does not exist any more"),
        ({"to": "gate"}, "does not exist any more"),
        ({"member": []}, "Nobody is chosen"),
    ],
)
def test_what_cannot_be_a_bulk_move_is_refused_in_words(browser, version, told, words):
    member = placed(version)
    told = {"to": version.stages.get(slug="lead").pk, "member": [f"{member.pk}:1"]} | told
    assert words in said(move_many(browser, **told))
    assert Membership.objects.get().stage.slug == "known"


def test_a_filter_that_is_not_understood_never_means_everybody(browser, version):
    placed(version)
    response = move_many(browser, to=version.stages.get(slug="lead").pk, all="known", asked="left_out=perhaps")
    assert response.status_code == 404
    assert Membership.objects.get().stage.slug == "known"


def test_the_ways_to_the_board(browser, version):
    for address in (reverse("lifecycles"), reverse("lifecycle_version", args=["small", 1]), reverse("home")):
        assert BOARD in browser.get(address).content.decode(), address


def test_the_file_takes_the_same_queries_however_many_there_are(browser, version, django_assert_max_num_queries):
    for number in range(12):
        placed(version, first_name=f"No {number}", account=account(name=f"Firm {number}"))
    with django_assert_max_num_queries(9):  # the last is the trail: who took the list away
        lines = b"".join(browser.get(BOARD, {"export": "csv"}).streaming_content).decode().splitlines()
    assert len(lines) == 13 and lines[5].startswith("No 7,Known,")
