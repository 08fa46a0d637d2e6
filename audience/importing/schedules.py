"""Imports that come by themselves: a folder or an address is looked at from time to time, and each file taken once.

turn: somebody or the clock asks for a look, and none is asked for while one is under way · look: the job finds files
that are new, by name, size and SHA-256, and begins an import of each by the mapping that is kept · end: with the last
of these imports the turn is over; when something failed its owner is told.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from audience.importing import running, saved
from audience.importing.refusals import Refused
from audience.models import ImportSchedule, ImportTurn, SavedMapping, TakenFile
from kit import audit, installation, jobs, notices, outside, secrets
from kit.models import Job, User

JOB = "scheduled_import"
SETTLED = timedelta(seconds=60)  # that a file must have been left alone before it is taken
AT_ONCE = 100  # files of one look; the others come with the next
MOST_ENTRIES = 10_000  # of a folder
NOTICE = "import_schedule"
LONGEST_NAME = ImportSchedule._meta.get_field("name").max_length or 0
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
Place, Sign, Every, Outcome = ImportSchedule.Place, ImportSchedule.Sign, ImportSchedule.Every, ImportTurn.Outcome


# ---- what there is to be ----


@transaction.atomic
def create(*, by: User | None, now: datetime, **told: Any) -> ImportSchedule:
    """A new schedule. Raises Refused for what could never work."""
    made = ImportSchedule(owner=by, created_at=now)
    _write(made, now, **told)
    audit.record("schedule.create", made.name, by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def change(schedule: ImportSchedule, *, by: User | None, now: datetime, **told: Any) -> None:
    """Look elsewhere, or at other times. What is not said stays; an empty secret too. Raises Refused."""
    before = _told(schedule)
    _write(schedule, now, **told)
    audit.record("schedule.change", schedule.name, by=by, now=now, before=before, after=_told(schedule))


@transaction.atomic
def delete(schedule: ImportSchedule, *, by: User | None, now: datetime) -> None:
    """Look no more. What it brought in stays. Raises Refused while a look is under way."""
    if schedule.turns.filter(outcome=Outcome.OPEN).exists():
        raise Refused("busy", _("It is under way. Wait until it has ended."))
    audit.record("schedule.delete", schedule.name, by=by, now=now, before=_told(schedule))
    schedule.delete()


@transaction.atomic
def pause(schedule: ImportSchedule, *, by: User | None, now: datetime) -> None:
    """The clock asks for no look until it is resumed."""
    if ImportSchedule.objects.filter(pk=schedule.pk, paused_at=None).update(paused_at=now):
        audit.record("schedule.pause", schedule.name, by=by, now=now)
    schedule.refresh_from_db()


@transaction.atomic
def resume(schedule: ImportSchedule, *, by: User | None, now: datetime) -> None:
    """The clock asks again, from the next time on that it would have."""
    if ImportSchedule.objects.filter(pk=schedule.pk).exclude(paused_at=None).update(paused_at=None):
        if schedule.next_at and schedule.next_at < now and schedule.every != Every.ONCE:
            ImportSchedule.objects.filter(pk=schedule.pk).update(next_at=_after(schedule, now))
        audit.record("schedule.resume", schedule.name, by=by, now=now)
    schedule.refresh_from_db()


def folders() -> Path | None:
    """The folder under which schedules may look; None where whoever runs this installation has named none."""
    return Path(settings.IMPORT_FOLDERS).resolve() if settings.IMPORT_FOLDERS else None


# ---- turns ----


@transaction.atomic
def start(schedule: ImportSchedule, *, by: User | None, now: datetime) -> ImportTurn:
    """Look now. Raises Refused while a look is under way."""
    try:
        with transaction.atomic():
            turn = ImportTurn.objects.create(schedule=schedule, asked_by=by, began_at=now)
    except IntegrityError as error:
        raise Refused("busy", _("It is under way. Wait until it has ended.")) from error
    title = _("Scheduled import: %(name)s") % {"name": schedule.name}
    turn.job = jobs.enqueue(JOB, {"turn": turn.pk}, by=by or schedule.owner, now=now, title=title)
    turn.save(update_fields=["job"])
    audit.record("schedule.start", schedule.name, by=by, now=now, after={"turn": turn.pk})
    return turn


def clock(now: datetime) -> int:
    """Ask for every look that is due, and say for how many; what is still under way is left out this time."""
    for turn in ImportTurn.objects.filter(outcome=Outcome.OPEN).select_related("schedule__owner"):
        _end(turn)  # whoever was to do so may have been killed
    begun = 0
    for pk in (
        ImportSchedule.objects.filter(paused_at=None, next_at__lte=now).order_by("next_at").values_list("pk", flat=True)
    ):
        with transaction.atomic():
            due = ImportSchedule.objects.select_for_update(skip_locked=True, of=("self",)).filter(
                pk=pk, paused_at=None, next_at__lte=now
            ).first()  # fmt: skip
            if due is None:
                continue
            ImportSchedule.objects.filter(pk=pk).update(next_at=_after(due, now))
            try:
                start(due, by=None, now=now)
            except Refused:
                continue
            begun += 1
    return begun


def work(held: jobs.Held) -> dict[str, Any]:
    """The job of a turn: what `kit.jobs` calls. A file that was taken before it was killed is not taken again."""
    turn = ImportTurn.objects.select_related("schedule__saved", "schedule__owner").get(pk=held.payload["turn"])
    if turn.outcome != Outcome.OPEN:
        raise Refused("over", _("This look is over. Ask for another one."))
    schedule, taken = turn.schedule, 0
    uploads = Path(settings.UPLOADS)
    uploads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="taken-", dir=uploads) as folder:
        for found in _files(schedule, Path(folder), held.now):
            taken += _take(turn, found, held.now)
            held.progress(rows_done=taken)
    return {"files": taken, "link": reverse("import_schedule", args=[schedule.pk])}


def tidy(job: Job) -> None:
    """The look has ended, whichever way."""
    for turn in ImportTurn.objects.filter(pk=job.payload["turn"], outcome=Outcome.OPEN):
        _end(turn)


def tidy_import(job: Job) -> None:
    """The job of an import has ended; if it was the last of a turn, so has that."""
    running.tidy(job)
    for turn in ImportTurn.objects.filter(files__imported=job.payload["import"], outcome=Outcome.OPEN):
        _end(turn)


def _end(turn: ImportTurn) -> None:
    """End a turn whose look and imports have all ended: what came of it, and a notice where something failed."""
    files = list(TakenFile.objects.filter(turn=turn).select_related("imported__job").order_by("pk"))
    work = [
        (each.name, each.imported.job) for each in files if each.imported is not None and each.imported.job is not None
    ]
    work += [("", turn.job)] if turn.job is not None else []
    if any(job.state in jobs.OPEN for _name, job in work):
        return
    wrong = [(each.name, each.reason) for each in files if each.reason]
    wrong += [(name, job.error) for name, job in work if job.state == Job.State.FAILED]
    wrong += [(name, _("cancelled")) for name, job in work if job.state == Job.State.CANCELLED]
    outcome = Outcome.FAILED if wrong else Outcome.DONE if files else Outcome.NOTHING
    ended = max([turn.began_at, *(job.finished_at for _name, job in work if job.finished_at)])
    reason = " · ".join(f"{name}: {why}" if name else why for name, why in wrong)[:1000]
    open_one = ImportTurn.objects.filter(pk=turn.pk, outcome=Outcome.OPEN)
    if open_one.update(outcome=outcome, ended_at=ended, reason=reason) and wrong:
        title = _("The scheduled import “%(name)s” failed") % {"name": turn.schedule.name}
        link = reverse("import_schedule", args=[turn.schedule_id])
        notices.tell(turn.schedule.owner, NOTICE, title, reason, link=link, now=ended)


# ---- files ----


@dataclass(frozen=True)
class Found:
    """A file that is at hand: how it is called, and where it lies for now."""

    name: str
    path: Path


def _files(schedule: ImportSchedule, folder: Path, now: datetime) -> Iterator[Found]:
    """The files that there are, each copied to where nobody else writes. Raises Refused."""
    if schedule.place == Place.URL:
        yield _fetched(schedule, folder)
        return
    for name in _names(schedule, now)[:AT_ONCE]:
        if copied := _copied(schedule, name, folder):
            yield copied
            copied.path.unlink(missing_ok=True)


def _fetched(schedule: ImportSchedule, folder: Path) -> Found:
    name = PurePosixPath(outside.checked(schedule.url).path).name[:255] or "file.csv"
    path = folder / f"fetched{''.join(PurePosixPath(name).suffixes)[-8:].lower() if name.endswith('.gz') else ''}"
    try:
        outside.fetch(schedule.url, path, headers=_signed(schedule), most=settings.IMPORT_MAX_BYTES)
    except outside.Refused as refused:
        raise Refused("not_fetched", str(refused)) from refused
    return Found(name, path)


def _signed(schedule: ImportSchedule) -> dict[str, str]:
    try:
        secret = secrets.opened(schedule.secret)
    except secrets.Unreadable as error:
        raise Refused("secret_lost", _("The secret was kept under another key. Enter it again.")) from error
    if schedule.sign == Sign.BEARER:
        return {"Authorization": f"Bearer {secret}"}
    if schedule.sign == Sign.BASIC:
        return {"Authorization": "Basic " + base64.b64encode(f"{schedule.user}:{secret}".encode()).decode()}
    return {}


def _names(schedule: ImportSchedule, now: datetime) -> list[str]:
    """The names of plain files in the folder that nobody writes to any more and that are new, the oldest first."""
    known: dict[tuple[str, int], datetime] = {}
    for name, size, at in schedule.files.order_by("turn__began_at").values_list("name", "size", "turn__began_at"):
        known[name, size] = at
    found = []
    with _opened(schedule.folder) as descriptor:
        for entry in os.listdir(descriptor)[:MOST_ENTRIES]:
            if entry.startswith(".") or not fnmatch.fnmatch(entry, schedule.pattern or "*") or len(entry) > 255:
                continue
            told = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
            changed = datetime.fromtimestamp(told.st_mtime, UTC)
            taken = known.get((entry, told.st_size))
            is_new = taken is None or changed > taken - SETTLED
            if stat.S_ISREG(told.st_mode) and told.st_size and changed <= now - SETTLED and is_new:
                found.append((changed, entry))
    return [entry for _changed, entry in sorted(found)]


def _copied(schedule: ImportSchedule, name: str, folder: Path) -> Found | None:
    """A copy of a file of the folder; None for one that changes meanwhile, or is no plain file by now."""
    path = folder / f"copied{'.gz' if name.endswith('.gz') else ''}"
    with _opened(schedule.folder) as descriptor:
        try:
            source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
        except OSError:
            return None
        with os.fdopen(source, "rb") as file, path.open("wb") as target:
            before = os.fstat(source)
            if not stat.S_ISREG(before.st_mode) or before.st_size > settings.IMPORT_MAX_BYTES:
                return None
            while block := file.read(1 << 20):
                target.write(block)
            after = os.fstat(source)
    same = (
        (before.st_size, before.st_mtime_ns)
        == (after.st_size, after.st_mtime_ns)
        == (path.stat().st_size, before.st_mtime_ns)
    )
    return Found(name, path) if same else None


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    """A folder below the one that schedules may look at, opened part by part so that no link leads out of it."""
    root, parts = folders(), _parts(folder)
    if root is None:
        raise Refused("no_folders", _("No folder is open to schedules here: IMPORT_FOLDERS is not set."))
    held: list[int] = []
    try:
        try:
            held.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
            for part in parts:
                held.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
        except OSError as error:
            raise Refused("no_folder", _("There is no such folder, or it cannot be read.")) from error
        yield held[-1]
    finally:
        for descriptor in held:
            os.close(descriptor)


def _parts(folder: str) -> tuple[str, ...]:
    """The parts of a folder's name below the root. Raises Refused for one that leads elsewhere."""
    way = PurePosixPath(folder)
    if way.is_absolute() or ".." in way.parts or "\x00" in folder or "\\" in folder:
        raise Refused("bad_folder", _("Name a folder below the one that is open to schedules, such as crm/daily."))
    return way.parts


def _take(turn: ImportTurn, found: Found, now: datetime) -> int:
    """Begin the import of a file, unless it was taken before: 1 when it was new."""
    size, digest = found.path.stat().st_size, _digest(found.path)
    told = {"name": found.name, "size": size, "digest": digest}
    if TakenFile.objects.filter(schedule=turn.schedule, **told).exists():
        return 0
    schedule, kept = turn.schedule, turn.schedule.saved
    reason, imported = "", None
    try:
        with transaction.atomic():
            imported = running.upload(
                found.path, kept.kind, source=kept.source, by=schedule.owner, now=now, name=found.name
            )
            saved.begin(imported, kept, by=schedule.owner, now=now)
            TakenFile.objects.create(schedule=schedule, turn=turn, imported=imported, **told)
    except BaseException as error:
        if imported is not None:
            running.remove(Path(imported.path))
        if not isinstance(error, Refused):
            raise
        reason = error.message
    if reason:
        TakenFile.objects.create(schedule=schedule, turn=turn, reason=reason[:500], **told)
    return 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- what is written down ----


def _write(
    schedule: ImportSchedule,
    now: datetime,
    *,
    name: str,
    mapping: SavedMapping,
    place: str,
    every: str,
    next_at: datetime | None,
    folder: str = "",
    pattern: str = "",
    url: str = "",
    sign: str = "",
    user: str = "",
    secret: str = "",
) -> None:
    schedule.name = " ".join(name.split())
    if not 0 < len(schedule.name) <= LONGEST_NAME or "\x00" in name:
        raise Refused("bad_name", _("A name has one to %(most)s letters.") % {"most": LONGEST_NAME})
    moved = (schedule.url, schedule.sign, schedule.user) != (url, sign, user)
    schedule.saved, schedule.place, schedule.every = mapping, place, every
    schedule.next_at = next_at or (now if every in STEPS else None)
    is_url = place == Place.URL
    schedule.folder, schedule.pattern = ("", "") if is_url else (folder.strip().strip("/"), pattern.strip())
    schedule.url, schedule.sign, schedule.user = (url.strip(), sign, user) if is_url else ("", "", "")
    if is_url:
        _check_url(schedule, secret)
    elif folder.startswith("/"):
        raise Refused("bad_folder", _("Name a folder below the one that is open to schedules, such as crm/daily."))
    else:
        with _opened(schedule.folder):
            pass
    if secret or moved or not sign:  # a secret is for the place that it was given for, and goes nowhere else
        schedule.secret = secrets.seal(secret) if sign else ""
    if sign and not schedule.secret:
        raise Refused("no_secret", _("Enter the password or token; for another address it has to be entered again."))
    try:
        with transaction.atomic():
            schedule.save()
    except IntegrityError as error:
        raise Refused("name_taken", _("A schedule of this name is there already.")) from error


def _check_url(schedule: ImportSchedule, secret: str) -> None:
    try:
        outside.checked(schedule.url)
    except outside.Refused as refused:
        raise Refused("bad_address", str(refused)) from refused
    if any(ord(letter) < 32 or ord(letter) > 126 for letter in f"{schedule.user}{secret}") or ":" in schedule.user:
        raise Refused("bad_secret", _("User, password and token are plain letters, digits and signs."))


def _after(schedule: ImportSchedule, now: datetime) -> datetime | None:
    """The next time after `now`, at the time of day at which it was to be; None when it was to be once."""
    step = STEPS.get(schedule.every)
    if step is None or schedule.next_at is None:
        return None
    zone = UTC if schedule.every == Every.HOUR else installation.zone()  # days are those of the wall clock
    turns = max((now - schedule.next_at) // step, 1)
    while (then := schedule.next_at.astimezone(zone) + step * turns) <= now:
        turns += 1
    return then


def _told(schedule: ImportSchedule) -> dict[str, Any]:
    """What the trail keeps of it; never the secret, nor what an address asks with."""
    return {
        "mapping": schedule.saved.name, "place": schedule.place, "folder": schedule.folder, "pattern": schedule.pattern,
        "url": schedule.url.partition("?")[0], "sign": schedule.sign, "every": schedule.every,
        "next_at": schedule.next_at.isoformat() if schedule.next_at else None,
    }  # fmt: skip
