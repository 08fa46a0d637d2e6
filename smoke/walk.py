"""The main job of the product as a user does it: from a file to a funnel, over HTTP, by links, labels and buttons.

    python -E -s -S smoke/walk.py ADDRESS USER PASSWORD_FILE

It needs an empty installation, writes into it, and knows nothing of it but these three. Steps are told on stderr; the
last line on stdout is one JSON object with the figures. Exit code 0 if all of it held, 1 if not.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from browser import Browser, Page, Program, Stuck

PATIENCE = 300  # seconds that background work may take at most; a busy machine needs many
LOOK_AGAIN = 0.5
READING = 3.0  # seconds somebody reads before following a link; whoever is quicker is taken for a machine

FIRST = "Ada Ben Cleo Dan Edith Finn Greta Hugo Iris Jon".split()
LAST = "Arnold Berger Castle Dunn Eriksen Foster".split()
PEOPLE = [f"{first} {last}" for last in LAST for first in FIRST]
# What they did decides where the playbook's rules place them: nothing, two visits, three visits within a month.
KNOWN, ENGAGED, MQL = PEOPLE[:20], PEOPLE[20:44], PEOPLE[44:]
VISITS = {**dict.fromkeys(ENGAGED, 2), **dict.fromkeys(MQL, 3)}
# Two rows that no importer may take.
WRONG = [
    ["not an address", "Wrong", "Row", "2025-01-01", "DE"],
    ["late@example.com", "Wrong", "Day", "2025-02-31", "DE"],
]
SILENT = ENGAGED[0]  # has not agreed to anything, so gets nothing
CLICKS = ENGAGED[1]  # whose third sign of life the click will be
LEAVES = ENGAGED[2]
SCANNED = ENGAGED[3]  # behind a mail filter that follows every link
MOVED = MQL[0]
STAGES = {"Known": 20, "Engaged": 24, "MQL": 16}


class Walk:
    """One user's way through the installation, with what was found and what did not hold."""

    def __init__(self, address: str, user: str, password: str, patience: int) -> None:
        self.user, self.password, self.patience = user, password, patience
        self.browser = Browser(address)
        self.figures: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        """Note it when what was found is not what should be."""
        if found != wanted:
            self.failed.append(f"{what}: expected {wanted!r}, found {found!r}")
            say(f"  NOT SO  {self.failed[-1]}")

    def until(self, what: str, page: Page, read: Callable[[Page], Any], wanted: Any = True) -> Page:
        """Look at the page again until what is read there is as it should be; raises `Stuck` when it takes too long."""
        deadline = time.monotonic() + self.patience
        while (found := read(page)) != wanted:
            if time.monotonic() > deadline:
                raise Stuck(
                    f"{what}: expected {wanted!r}, and after {self.patience} seconds it is {found!r}. "
                    f"“{page.title}” says: {page.words()[:1000]}"
                )
            time.sleep(LOOK_AGAIN)
            page = self.browser.open(page.address)
        return page

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 1)
        say(f"  {self.seconds[name]:5.1f} s  {name}")

    def go(self) -> None:
        for name, take in STEPS.items():
            with self.step(name):
                take(self)


def sign_in(walk: Walk) -> None:
    page = walk.browser.open("/")
    page = page.form("Sign in").fill("Email", walk.user).fill("Password", walk.password).send("Sign in")
    if not page.link("Home"):
        raise Stuck(f"Nobody could sign in as {walk.user}: {page.words()[:300]}")
    form = page.follow("Settings").form("Keep these settings").fill("Company", "Smoke and Sons")
    form.fill("Postal address", "1 Harbour Road, Sometown").send("Keep these settings")


def import_files(walk: Walk) -> None:
    people = [[email(name), *name.split(), first_seen(number), "DE"] for number, name in enumerate(PEOPLE)]
    heads = ["Email", "First name", "Last name", "Created at", "Country"]
    page = bring(walk, "People", "people.csv", heads, people + WRONG)
    walk.figures |= {"people": figure(page, "Created"), "rejected": figure(page, "Rejected")}
    walk.expect("people that the import created", walk.figures["people"], len(PEOPLE))
    walk.expect("rows that it rejected", walk.figures["rejected"], len(WRONG))
    walk.expect("rejected rows by their number", {row.get("Row") for row in page.rows()}, {"62", "63"})
    visits = [
        [email(name), "page visited", f"{days_ago(20 - 5 * visit)} 10:00", "inbound"]
        for name, times in VISITS.items() for visit in range(times)
    ]  # fmt: skip
    page = bring(walk, "Activities", "visits.csv", ["email", "kind", "when", "direction"], visits)
    walk.figures["activities"] = figure(page, "Created")
    walk.expect("activities that the import created", walk.figures["activities"], len(visits))
    page = walk.browser.open("/").follow("People")
    walk.expect("people in the list", number(page, r"(\d+) people"), len(PEOPLE))


def bring(walk: Walk, kind: str, name: str, heads: list[str], rows: Iterable[list[str]]) -> Page:
    """Upload, see what the columns become, try without writing, bring in; the page with the figures."""
    file = io.StringIO()
    csv.writer(file).writerows([heads, *rows])
    page = walk.browser.open("/").follow("Imports").follow("Import a file")
    form = page.form("Upload and look at its columns").fill("What the rows are", kind)
    page = form.fill("File", (name, file.getvalue().encode())).send("Upload and look at its columns")
    page = walk.until(f"trying {name} is done", page.press("Try without writing"), done)
    walk.expect(f"{name} was only tried", "nothing was written" in page.words(), True)
    tried = figure(page, "Would be created")
    page = walk.until(f"importing {name} is done", page.press("Import these rows"), done)
    walk.expect(f"{name}: created, beside what the trial said", figure(page, "Created"), tried)
    return page


def start_lifecycle(walk: Walk) -> None:
    page = walk.browser.open("/").follow("Lifecycles").press("Make a draft", near="Net-new B2B")
    page = walk.until("the preview of the replay is done", page.press("Preview the replay"), done)
    would = {row["Stage"]: row["Would be in it now"] for row in page.rows() if "Would be in it now" in row}
    placed = {name: str(count) for name, count in STAGES.items()}
    walk.expect("whom the preview places where", {name: n for name, n in would.items() if n != "0"}, placed)
    page = walk.until("publishing is done", page.press("Publish with its history"), done)
    page = page.follow("Board")
    walk.figures["placed"] = {name: column(page, name) for name in STAGES}
    walk.expect("whom the board shows where", walk.figures["placed"], STAGES)
    walk.expect("members on the board", number(page, r"(\d+) members"), len(PEOPLE))


def move_by_hand(walk: Walk) -> None:
    board = walk.browser.open("/").follow("Lifecycles").follow("Net-new B2B").follow("Board")
    page = board.follow(f"Move {MOVED} to")
    page.form("Move").fill("To stage", "SAL").fill("Why", "Spoke with them").send("Move")
    board = walk.browser.open(board.address)
    walk.figures["moved"] = column(board, "SAL")
    walk.expect("members in the stage moved to", walk.figures["moved"], 1)
    walk.expect("members in the stage moved from", column(board, "MQL"), STAGES["MQL"] - 1)
    told = board.follow(MOVED).words()
    walk.expect("the profile tells who moved and why", "MQL → SAL" in told and "Spoke with them" in told, True)


def write_letter(walk: Walk) -> None:
    home = walk.browser.open("/")
    form = home.follow("Senders").follow("New sender").form("Make the sender")
    form.fill("Name", "Ada of Smoke and Sons").fill("Address", "ada@smoke.example").send("Make the sender")
    page = home.follow("Content").follow("New content").follow("Article")
    form = page.form("Keep it").fill("Name", "First letter").fill("Subject", "For you, {{ person.first_name }}")
    # The template's links lead to example.com until somebody says where; to a page of this installation, then.
    here = f'href="{walk.browser.address}/sign-in/?read=it"'
    body, links = re.subn(r'href="https://[^"]*example\.com[^"]*"', here, page.shown("Body"))
    walk.expect("the template has a link to put right", links > 0, True)
    page = form.fill("Body", body).send("Keep it")
    walk.expect("the content is kept", "It is kept" in page.words(), True)


def launch_campaign(walk: Walk) -> None:
    people = walk.browser.open("/").follow("People")
    engaged = people.form("Apply").fill("Stage now", "Net-new B2B: Engaged").send("Apply")
    form = engaged.form("Record consent").fill("Topic", "News and offers").fill("Lawful basis", "consent")
    form.fill("Where", "the fair in May").fill("Wording", "Yes, write to me.")
    for name in ENGAGED:
        form.fill(f"Choose {name}", name != SILENT)
    page = form.send("Record consent")
    walk.expect("for how many consent was recorded", number(page, r"was recorded for (\d+)"), len(ENGAGED) - 1)
    engaged.follow("Save as segment").form("Keep this list").fill("Name", "Warm ones").send("Keep this list")

    form = page.follow("Campaigns").follow("New campaign").form("Make the draft")
    page = form.fill("Name", "News of May").fill("Type", "Newsletter").send("Make the draft")
    form = page.follow("Settings").form("Keep the settings").fill("They enter", "once, everybody in a segment")
    page = form.fill("Segment", "Warm ones").fill("Topic", "News and offers").send("Keep the settings")
    form = page.follow("Flow").follow("Send an email").form("Add the step")
    page = form.fill("What is sent", "First letter").send("Add the step").follow("Check and launch")
    walk.expect("nothing stops the launch", "Nothing stops the launch" in page.words(), True)
    dry = page.follow("What would happen in the next days")
    walk.expect("messages that the dry run foresees", figure(dry, "Messages sent"), len(ENGAGED) - 1)
    walk.figures["entered"] = number(page, r"Launch: (\d+) people enter")
    walk.expect("people who enter, by the checklist", walk.figures["entered"], len(ENGAGED))
    page = page.press(f"Launch: {walk.figures['entered']} people enter")
    walk.expect("the campaign is running", "is running" in page.words(), True)


def read_letter(walk: Walk) -> None:
    wanted = len(ENGAGED) - 1
    mailbox = walk.until("letters in the mailbox", walk.browser.open("/").follow("Mailbox"), letters, wanted)
    walk.figures["messages"] = letters(mailbox)
    agreeing = sorted(email(name) for name in ENGAGED if name != SILENT)
    walk.expect("readers, each with one letter", sorted(row["To"] for row in mailbox.rows()), agreeing)
    time.sleep(READING)
    Browser(walk.browser.address, machine=True).open(link_in_letter(mailbox, SCANNED, "Read"))
    # Readers have no cookies of ours: they follow links from their own mail.
    page = Browser(walk.browser.address).open(link_in_letter(mailbox, CLICKS, "Read"))
    walk.expect("where the tracked link leads", page.address.split("/", 3)[3].startswith("sign-in/?read=it"), True)
    leaving = Browser(walk.browser.address).open(link_in_letter(mailbox, LEAVES, "Unsubscribe"))
    walk.expect("opening the page unsubscribes nobody", agreed(walk, LEAVES), True)
    leaving.press("Unsubscribe")
    walk.expect("the button does", agreed(walk, LEAVES), False)
    walk.figures["unsubscribed"] = 1 - agreed(walk, LEAVES)


def letters(mailbox: Page) -> int:
    return number(mailbox, r"(\d+) letters")


def link_in_letter(mailbox: Page, name: str, words: str) -> str:
    """Where a link of the letter to this person leads."""
    form = mailbox.form("Search").fill("Search this list", email(name))
    letter = form.send("Search").follow(f"For you, {name.split()[0]}")
    body = letter.frame("The letter")
    link = body.link(words)
    if link is None:
        raise Stuck(f"The letter to {name} has no link “{words}”: {body.words()[:300]}")
    return link


def agreed(walk: Walk, name: str) -> bool:
    return "may be written to" in profile(walk, name).words()


def see_the_click(walk: Walk) -> None:
    page = walk.until("the click is on the reader's timeline", profile(walk, CLICKS), says("Email clicked"))
    walk.until("the click, a third sign of life within a month, has moved the reader", page, says("Engaged → MQL"))
    page = walk.browser.open("/").follow("Campaigns").follow("News of May")
    walk.figures["clicks"] = number(page, r"(\d+) clicked")
    walk.expect("clicks that the campaign counts, without the machine's", walk.figures["clicks"], 1)


def read_funnel(walk: Walk) -> None:
    # Of the engaged one went on by a click. Who left by the letter's other link did not: that is no sign of interest.
    wanted = {"Known": ("60", "20"), "Engaged": ("40", "23"), "MQL": ("17", "16"), "SAL": ("1", "1")}

    def told(page: Page) -> dict[str, tuple[str, str]]:
        rows = [row for row in page.rows() if row.get("Stage") in wanted and "At the end" in row]
        return {row["Stage"]: (row["In"], row["At the end"]) for row in rows}

    page = walk.browser.open("/").follow("Funnel")
    page = walk.until("who came into each stage and is in it, by the funnel", page, told, wanted)
    walk.figures["funnel"] = {name: {"in": int(came), "now": int(now)} for name, (came, now) in told(page).items()}


def ask_by_api(walk: Walk) -> None:
    form = walk.browser.open("/").follow("API keys").follow("New key").form("Make the key").fill("Name", "smoke")
    for scope in ("people and accounts", "what people did"):
        form.fill(f"Read: {scope}", True)
    program = Program(walk.browser.address, form.send("Make the key").shown("The key"))
    page = profile(walk, CLICKS)
    found = program.get("people/", email=email(CLICKS))["results"]
    walk.expect(
        "people of this email, by the API", [f"{row['first_name']} {row['last_name']}" for row in found], [page.title]
    )
    stages = {stage["lifecycle"]: stage["stage"] for row in found for stage in row["stages"]}
    walk.expect("their stage, by the API", stages, {"net_new_b2b": "mql"})
    activities = [one for row in found for one in program.get("activities/", person=row["id"])["results"]]
    walk.figures["api"] = {"people": len(found), "activities": len(activities), **stages}
    walk.expect(
        "their activities, by the API, beside the page's timeline", len(activities), len(page.items("What happened"))
    )


STEPS = {
    "sign in": sign_in,
    "import two files": import_files,
    "start a lifecycle": start_lifecycle,
    "move somebody": move_by_hand,
    "write a letter": write_letter,
    "launch a campaign": launch_campaign,
    "read the letter": read_letter,
    "see the click": see_the_click,
    "read the funnel": read_funnel,
    "ask by the API": ask_by_api,
}


def profile(walk: Walk, name: str) -> Page:
    found = walk.browser.open("/").form_of("Search everything").fill("Search everything", email(name)).send()
    return found if found.title == name else found.follow(name)


def email(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.com"


def days_ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days)


def first_seen(number: int) -> str:
    return str(days_ago(30 + number // 6))


def done(page: Page) -> bool:
    """Whether no work goes on that the page would show."""
    return not any("Cancel" in form.buttons() for form in page.forms())


def says(words: str) -> Callable[[Page], bool]:
    return lambda page: words in page.words()


def column(board: Page, stage: str) -> int:
    """How many the board shows in a stage, by the tab of its column."""
    return number(board, rf"\b{stage} (\d+)")


def figure(page: Page, label: str) -> int:
    return number(page, rf"\b{label} (\d[\d,]*)")


def number(page: Page, pattern: str) -> int:
    """The number that stands there; -1 where there is none."""
    found = re.search(pattern, page.words())
    return int(found[1].replace(",", "")) if found else -1


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("address")
    options.add_argument("user")
    options.add_argument("password_file", type=Path)
    options.add_argument("--patience", type=int, default=PATIENCE, metavar="SECONDS", help="for work in the background")
    asked = options.parse_args()
    walk = Walk(asked.address, asked.user, asked.password_file.read_text().strip(), asked.patience)
    try:
        walk.go()
    except Stuck as reason:
        walk.failed.append(str(reason))
        say(f"  STUCK   {reason}")
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # what was answered is not what it was
        walk.failed.append(f"An answer could not be read: {error!r}")
        say(traceback.format_exc())
    told = {"ok": not walk.failed, **walk.figures, "seconds": walk.seconds}
    print(json.dumps(told | ({"failed": walk.failed} if walk.failed else {}), ensure_ascii=False))
    return 1 if walk.failed else 0


if __name__ == "__main__":
    sys.exit(main())
