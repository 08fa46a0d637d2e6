"""Bringing the demo company in, step by step, by the verbs that everybody uses: imports, publishing, reports.

A step that is done is not done again, so that whoever killed it half-way starts it again: an import is known by its
source and file, a lifecycle by its name, and each goes on from its own cursor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from audience import importing
from audience.commerce import pipelines
from audience.models import Import, Person, Pipeline
from audience.readiness import completeness
from audience.subjects import exclusions
from demo import building, campaigns, consents, files, growth, habits, tidying
from demo.company import DAYS, DOMAIN, MONTH, REGIONS, USERS, WITH_PASSWORD
from demo.customers import PREDICT_SINCE
from demo.net_new import GONE_APAC, REASONS
from kit import audit, installation, jobs
from kit.models import Job, Team, User
from lifecycle.editions import documents, versions
from lifecycle.engine import stalled
from lifecycle.handoffs import answering, offering, routing
from lifecycle.models import Version
from reporting import filling, integrity, notes
from reporting.models import ChartNote
from scoring import documents as scores
from scoring import versions as scoring
from scoring.models import ScoringVersion

JOB = "demo"
SOURCE = "marlow creek"
ZONE, CURRENCY, COMPANY = "Europe/Amsterdam", "EUR", "Marlow Creek Instruments"
POSTAL_ADDRESS = "Marlow Creek Instruments B.V.\nHavenkade 12, 3011 Rotterdam, The Netherlands"
DOCUMENTS = Path(__file__).resolve().parent / "documents"
ONBOARDING = "onboarding"  # the file of what is published for each region
LIFECYCLES = (
    "net_new", "customers", "shop", "shop_repeat", "partners", *(f"{ONBOARDING}_{each.lower()}" for each in REGIONS),
    "renewal", "upsell", "cross_sell", "referral", "loyalty",
)  # fmt: skip

NOTES = (
    (DAYS // 2, "The lead score asks for 60 points instead of 50"),
    (int(GONE_APAC), "Two of three salespeople in APAC left"),
    (int(15.5 * MONTH), "Prices rose by 8 %"),
    (PREDICT_SINCE, "Predict was launched"),
)
FIRST_LIMIT = 50  # of the lead score in the first year
PHASE = 64  # letters of what is told meanwhile
LOOK = 1.0  # seconds between two looks at how far the replays are
AT_ONCE = 2  # replays; each keeps one process of the database busy


class Refused(jobs.Refused):
    """The company cannot be brought in here."""


@dataclass(frozen=True)
class Loading:
    """One company on its way in: which, where its files are, the loading's own time, and whom to tell how far it is."""

    seed: int
    end: date
    now: datetime
    by: User | None
    tell: Callable[[int, int], None]

    @property
    def folder(self) -> Path:
        return files.folder(Path(settings.DATA_DIR), self.seed, self.end)


@dataclass(frozen=True)
class File:
    """One file of the company: its name, its rows' kind, and what columns become that are not called like fields."""

    name: str
    kind: str
    columns: Mapping[str, str] = field(default_factory=dict)

    def bring(self, loading: Loading) -> None:
        """Import it, unless that is done, or go on where an import of it stopped. Raises Refused for refused rows."""
        path = loading.folder / f"{self.name}.csv"
        known = Import.objects.filter(source=SOURCE, file_name=path.name).order_by("-pk").first()
        if known and known.finished_at:
            return
        if known is None or known.job_id is None:
            with path.open(encoding="utf-8") as lines:
                header = lines.readline().strip().split(",")
            mapping = {column: self.columns.get(column, column) for column in header}
            known = importing.start(path, self.kind, mapping=mapping, source=SOURCE, by=loading.by, now=loading.now)
        _see_through(known.job_id, loading.now)
        known.refresh_from_db()
        if known.counts.get("rejected"):
            told = {"count": known.counts["rejected"], "file": path.name}
            raise Refused(_("%(count)s rows of %(file)s were refused.") % told)


FILES = (
    File("products", "products"),
    File("accounts", "accounts", {"kind of account": "custom.relation:text", "sites": "custom.sites:number"}),
    File(
        "people",
        "people",
        {"relation to us": "custom.relation:text", "webinar programme": "custom.webinar_program:text"},
    ),
    File(
        "activities",
        "activities",
        {"reason": "properties.reason", "content": "properties.content", "deal": "properties.deal"},
    ),
    File("deals", "deals", {"partner": "partner_external_id"}),
    File("contracts", "contracts"),
    File("purchases", "purchases"),
    File("cases", "cases"),
    File("costs", "costs"),
)
HISTORY = File("stages", "stage_movements")
MEMBERS = File("members", "campaign_members")

Work = Callable[[Loading], None]


@dataclass(frozen=True)
class Step:
    """One step: its name, what is told meanwhile, and what is done."""

    name: str
    words: str
    work: Work


def steps() -> list[Step]:
    """All steps in their order."""
    brought = [Step(file.name, _("Importing %(what)s") % {"what": file.name}, file.bring) for file in FILES]
    return [
        Step("files", _("Making up two years"), _write_files),
        Step("settings", _("Settings and users"), _set_up),
        *brought,
        Step("kinds", _("Saying what activities mean"), _describe),
        Step("scores", _("Scoring everybody"), _score),
        Step("lifecycles", _("Replaying %(count)s lifecycles") % {"count": len(LIFECYCLES)}, _publish),
        Step(HISTORY.name, _("Importing what sales decided"), HISTORY.bring),
        Step(MEMBERS.name, _("Importing who was in the webinars' trial"), MEMBERS.bring),
        Step("handoffs", _("Handing over who waits for sales"), _hand_over),
        Step("consent", _("Recording who agreed to what"), _agree),
        Step("campaigns", _("Launching a campaign"), _speak),
        Step("segments", _("Keeping segments and a form"), _keep),
        Step("tidy", _("Making one of two"), _tidy),
        Step("notes", _("Noting what happened"), _note),
        Step("reports", _("Filling reports"), _fill),
        Step("check", _("Checking the ledger"), _check),
    ]


def today(now: datetime) -> date:
    """The company's local day: its history ends with the day before, unless another end is asked for."""
    return now.astimezone(ZoneInfo(ZONE)).date()


def last() -> Job | None:
    """The newest loading that anybody has asked for."""
    return Job.objects.filter(kind=JOB).order_by("-created_at").first()


def start(*, seed: int, end: date, by: User | None, now: datetime) -> Job:
    """Ask for the company, or for the rest of it; the job that brings it in.

    Raises Refused when it is there already, when other people are, or for an end date in the future.
    """
    before = last()
    if before and before.state == Job.State.DONE:
        raise Refused(_("The demo company is there already."))
    if before:
        jobs.retry(before.pk)  # unless it is open
        before.refresh_from_db()
        return before
    if Person.objects.exists():
        raise Refused(_("There are people here already. The demo company needs an installation of its own."))
    if end > today(now):
        raise Refused(_("The demo company ends on %(end)s, which is yet to come.") % {"end": end.isoformat()})
    payload = {"seed": seed, "end": end.isoformat()}
    audit.record("demo.load", "demo company", by=by, now=now, after=payload)
    return jobs.enqueue(JOB, payload, title=_("The demo company is being loaded"), by=by, now=now)


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: every step that is not done yet. Its measure is the days replayed, which take nearly all of the time."""
    todo, took = steps(), dict(held.cursor)
    for number, step in enumerate(todo, 1):
        if step.name in took:
            continue
        words = _("%(number)s of %(count)s: %(what)s") % {"number": number, "count": len(todo), "what": step.words}
        held.progress(phase=words[:PHASE])

        def tell(days: int, of: int) -> None:
            held.progress(rows_done=days, rows_total=of)

        end = date.fromisoformat(held.payload["end"])
        began = time.monotonic()
        step.work(Loading(held.payload["seed"], end, held.now, held.job.created_by, tell))
        took[step.name] = round(time.monotonic() - began, 1)
        held.progress(cursor=dict(took))
    return {"seconds": round(sum(took.values()), 1)}


# ---- the steps ----


def _write_files(loading: Loading) -> None:
    if not (loading.folder / files.COMPLETE).exists():
        files.write(building.build(loading.seed, loading.end), loading.folder)


def _set_up(loading: Loading) -> None:
    with transaction.atomic():
        told = {"zone": ZONE, "currency": CURRENCY, "company": COMPANY, "postal_address": POSTAL_ADDRESS}
        installation.change(told, by=loading.by, now=loading.now)
        exclusions.name_lists({"own": [DOMAIN]}, by=loading.by, now=loading.now)
        pipelines.ensure_defaults(loading.now)
        if not Pipeline.objects.filter(name=growth.EXPANSION).exists():
            planned = [dict(zip(("name", "probability", "kind"), each, strict=True)) for each in growth.STAGES]
            pipelines.define(growth.EXPANSION, planned, by=loading.by, now=loading.now)
        for user in USERS:
            if not User.objects.filter(email=user.email).exists():
                team = Team.objects.get_or_create(name=user.region)[0] if user.region else None
                made = User.objects.create_user(
                    user.email, None, name=user.name, role=user.role, team=team, is_active=user.active
                )
                if loading.by and user.email in WITH_PASSWORD:
                    # Whoever brought the company in can look at it as one of its salespeople, by their own password.
                    User.objects.filter(pk=made.pk).update(password=loading.by.password)


def _score(loading: Loading) -> None:
    """The lead score: its first version with the lower limit, and the second, in force since the second year."""
    for number, (limit, since) in enumerate(((FIRST_LIMIT, None), (None, loading.end - timedelta(days=DAYS // 2))), 1):
        version = ScoringVersion.objects.filter(model__slug="lead", number=number).first()
        if version is None:
            document = scores.parse((DOCUMENTS / "lead.yaml").read_text())
            document |= {"limit": limit} if limit else {}
            document |= {"effective_from": since.isoformat()} if since else {}
            with transaction.atomic():
                version = scoring.draft(document, by=loading.by, now=loading.now)
                scoring.publish(version, by=loading.by, now=loading.now)
            version.refresh_from_db()
        _see_through(version.job_id, loading.now)


def _publish(loading: Loading) -> None:
    """Publish all lifecycles, and replay them side by side."""
    replays = [_publishing(name, loading) for name in LIFECYCLES]
    with ThreadPoolExecutor(AT_ONCE) as several:
        threads = [several.submit(_in_a_thread, job_id, loading.now) for job_id in replays]
        try:
            while wait(threads, timeout=LOOK).not_done:
                loading.tell(*_done(replays))
        except BaseException:
            for job_id in replays:
                jobs.cancel(job_id)
            raise
    for thread in threads:
        thread.result()


def _done(replays: list[int]) -> tuple[int, int]:
    """How many days are walked, and of how many; a replay that has not begun counts with as many as the longest."""
    days = list(Job.objects.filter(pk__in=replays).values_list("rows_done", "rows_total"))
    longest = max((total or 0 for _number, total in days), default=0) or DAYS
    return sum(done for done, _total in days), sum(total or longest for _number, total in days)


def _publishing(name: str, loading: Loading) -> int:
    """The job that replays a lifecycle, asked for unless it has been; asked for anew where somebody cancelled it."""
    document = _document(name)
    version = _newest(document["lifecycle"])
    if version and version.state == Version.State.PUBLISHING:
        _finish_taking_back(version, loading)
        version = _newest(document["lifecycle"])  # a draft again, or a new draft that says the same
    if version is None or version.state == Version.State.DRAFT:
        with transaction.atomic():
            version = version or versions.draft(document, by=loading.by, now=loading.now)
            versions.publish(version, by=loading.by, now=loading.now)
        version.refresh_from_db()
    assert version.job_id is not None  # publishing made it
    return version.job_id


def _document(name: str) -> dict[str, Any]:
    """The document of a lifecycle; that of onboarding is the same for each region."""
    of, _separator, slug = name.partition("_")
    if of != ONBOARDING:
        return documents.parse((DOCUMENTS / f"{name}.yaml").read_text())
    text = (DOCUMENTS / f"{ONBOARDING}.yaml").read_text()
    return documents.parse(text.replace("{slug}", slug).replace("{region}", slug.upper()))


def _newest(lifecycle: str) -> Version | None:
    return Version.objects.filter(lifecycle__slug=lifecycle).select_related("job").order_by("-number").first()


def _finish_taking_back(version: Version, loading: Loading) -> None:
    """A replay that was cancelled takes itself back: see to it that whom it has placed have left again."""
    if version.job and version.job.kind != versions.WITHDRAW and version.job.state == Job.State.CANCELLED:
        versions.withdraw(version, by=loading.by, now=loading.now)
        version.refresh_from_db()
    if version.state == Version.State.PUBLISHING and version.job and version.job.kind == versions.WITHDRAW:
        _see_through(version.job_id, loading.now)


def _in_a_thread(job_id: int, now: datetime) -> None:
    try:
        _see_through(job_id, now)
    finally:
        connection.close()


def _hand_over(loading: Loading) -> None:
    """Who stands in MQL on the last day waits for an answer of whoever owns the account."""
    version = Version.objects.select_related("lifecycle").get(lifecycle__slug="net_new", state=Version.State.PUBLISHED)
    with transaction.atomic():
        answering.set_reasons(version.lifecycle, REASONS, by=loading.by, now=loading.now)
        for stage in version.stages.exclude(hand_off=None):
            offering.offer_waiting(stage, by=loading.by, now=loading.now)
    routing.route(loading.now)


def _agree(loading: Loading) -> None:
    consents.record(loading.now)


def _speak(loading: Loading) -> None:
    with transaction.atomic():
        campaigns.begin(by=loading.by, now=loading.now)


def _describe(loading: Loading) -> None:
    with transaction.atomic():
        habits.describe(by=loading.by, now=loading.now)


def _keep(loading: Loading) -> None:
    habits.keep(by=loading.by, now=loading.now)


def _tidy(loading: Loading) -> None:
    tidying.tidy(by=loading.by, now=loading.now)


def _note(loading: Loading) -> None:
    """What happened in the two years, beside the figures of reports."""
    begun = loading.end - timedelta(days=DAYS)
    with transaction.atomic():
        for day, text in NOTES:
            if not ChartNote.objects.filter(text=text).exists():
                notes.add(begun + timedelta(days=day), text, by=loading.by, now=loading.now)


def _fill(loading: Loading) -> None:
    filling.fill_all(loading.now)
    stalled.measure(loading.now)
    completeness.take(loading.now)


def _check(loading: Loading) -> None:
    findings = sum(check.found for check in integrity.run_all(loading.now))
    if findings:
        raise Refused(_("The ledger check has %(count)s findings.") % {"count": findings})


def _see_through(job_id: int | None, now: datetime) -> None:
    """Do a job here (on from where it had stopped), or wait for the worker that has it. Raises Refused if it fails."""
    assert job_id is not None  # whoever begins an import or publishes makes one
    jobs.retry(job_id)  # unless it is open or done
    job = jobs.see_through(Job.objects.get(pk=job_id), lambda: now)
    if job.state != Job.State.DONE:
        raise Refused(job.error or str(job.get_state_display()))
