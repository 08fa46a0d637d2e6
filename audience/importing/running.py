"""An import from its file to its last row: taken in, mapped, run in phases that each go on where they were interrupted.

read: batches of the file become typed rows, the refused apart · match: what is to become of each row is decided for the
file as a whole · write: what rows refer to, then the rows, range by range · finish: counts, trail, tables dropped.
Every step is one transaction that ends with the cursor, so that a killed import goes on as if nothing had happened.
"""

from __future__ import annotations

import gzip
import os
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audience.importing import archives, headers, planning, reading, said, sniffing, staging, workbooks
from audience.importing.headers import Guess
from audience.importing.refusals import Refused
from audience.importing.run import TURN, Run
from audience.importing.targets import CUSTOM, Kind
from audience.models import Import
from audience.subjects import exclusions
from kit import audit, jobs, leases
from kit.ahead import ahead
from kit.models import Job, User
from kit.registry import registry
from kit.sql import Sql, value

JOB = "import"
WRITTEN_AT_ONCE = 20_000  # rows; each such range is a transaction
SAMPLE = 500  # rows by which columns are guessed
ALWAYS = ("created", "updated", "unchanged", "skipped", "repeated")  # counts that are told even when they are 0
LEFT = ("unchanged", "skipped", "repeated")  # counts of rows of which nothing was written
WORTH_COUNTING = 1_000  # rows in the file, above which the planner must know of them before anybody asks
ROLLED_BACK = gettext_noop("This import was rolled back. Upload the file again to bring it in once more.")
BREATH = 0.5  # seconds that an import leaves to one that is rolled back, before it matches its rows again
OF_FILE = (
    "sheet",
    "sheets",
    "archive",
    "header_row",
    "escape",
    "notes",
)  # options that a file has, whatever its mapping
GZIP = b"\x1f\x8b"  # how a file begins that is compressed by it
BEFORE = 3  # columns of a file of refused rows that stand before its own
RIVALS = 5  # how often somebody else may write the same people meanwhile


class Progress(Protocol):
    """What the engine needs of a job in its hands."""

    @property
    def cursor(self) -> dict[str, Any]: ...

    def progress(self, **reached: Any) -> None: ...


def kind_of(name: str) -> Kind:
    """The kind of rows by its name. Raises Refused for one that there is not, or that nobody has said."""
    kind = registry.import_kinds.get(name)
    if not name:
        reason = _("The columns do not tell what the rows are. Say it: %(kinds)s.")
        raise Refused("unknown_kind", reason % {"kinds": ", ".join(sorted(registry.import_kinds))})
    if not isinstance(kind, Kind):
        reason = _("There are no rows called “%(kind)s”. There are: %(kinds)s.")
        raise Refused("unknown_kind", reason % {"kind": name, "kinds": ", ".join(sorted(registry.import_kinds))})
    return kind


def start(
    file: BinaryIO | Path | str,
    kind: str,
    *,
    mapping: Mapping[str, str | Sequence[str]] | None,
    policy: str = Import.Policy.UPSERT,
    dry_run: bool = False,
    source: str,
    by: User | None,
    now: datetime,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    sheet: str = "",
) -> Import:
    """Take a file in and put it to work; without a mapping by what is guessed. Raises Refused; then nothing is kept."""
    imported = upload(file, kind, source=source, by=by, now=now, name=name, sheet=sheet)
    try:
        begin(imported, mapping=mapping, policy=policy, dry_run=dry_run, by=by, now=now, options=options)
    except Refused:
        discard(imported)
        raise
    return imported


def upload(
    file: BinaryIO | Path | str,
    kind: str,
    *,
    source: str,
    by: User | None,
    now: datetime,
    name: str = "",
    sheet: str = "",
) -> Import:
    """Take a file in under a generated name and look at it. Raises Refused (`not_csv`, `empty`, `body_too_large` …).

    Of a workbook `sheet` is read, else the first that says something; of an archive the file of that name. Without a
    kind it is guessed; where too little tells, it has none, and one must be chosen before it can begin.
    """
    if kind:
        kind_of(kind)
    shown = name or Path(str(getattr(file, "name", file))).name
    path = Path(settings.UPLOADS) / f"{uuid.uuid4().hex}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        size = _store(file, path)
        with _beside(path) as into:
            layout, options = _look(path, sheet, into)
            _place(path, into, options)
    except BaseException:
        remove(path)
        raise
    imported = Import(
        kind=kind,
        file_name=shown[:255],
        path=str(path),
        size=size,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        header=list(layout.header),
        mapping={"columns": {}, "options": options},
        source=source.strip()[:64] or "file",
        created_by=by,
        created_at=now,
    )
    if (before := _refused_by(imported)) is not None and kind in ("", before.kind):
        _read_as(imported, before)
    elif not kind:
        options["kind_guessed"] = True
        imported.kind = _likely_kind(imported)
    imported.save()
    after = {"import": imported.pk, "kind": imported.kind}
    audit.record("import.upload", imported.file_name, by=by, now=now, after=after)
    return imported


def choose_sheet(imported: Import, sheet: str) -> None:
    """Another sheet of the workbook, or file of the archive, is meant: look at its columns anew.

    It is read before anything is held. Raises Refused; then the former stays.
    """
    _refuse_busy(imported)
    _refuse_gone(imported)
    path = Path(imported.path)
    with _beside(path) as into:
        layout, options = _look(path, sheet, into)
        is_guessed = imported.mapping["options"].get("kind_guessed", False)
        options |= {"kind_guessed": True} if is_guessed else {}
        with transaction.atomic():
            _refuse_busy(Import.objects.select_for_update(of=("self",)).select_related("job").get(pk=imported.pk))
            _place(path, into, options)
            imported.header, imported.mapping = list(layout.header), {"columns": {}, "options": options}
            imported.encoding, imported.delimiter = layout.encoding, layout.delimiter
            if is_guessed:
                imported.kind = _likely_kind(imported)
            imported.save(update_fields=["header", "mapping", "encoding", "delimiter", "kind"])


@transaction.atomic
def choose_kind(imported: Import, kind: str) -> None:
    """The rows are of another kind. Raises Refused."""
    kind_of(kind)
    locked = Import.objects.select_for_update(of=("self",)).select_related("job").get(pk=imported.pk)
    _refuse_busy(locked)
    if locked.kind != kind:
        imported.kind, imported.mapping = kind, {"columns": {}, "options": _of_file(locked.mapping["options"])}
        imported.save(update_fields=["kind", "mapping"])


def _refuse_busy(imported: Import) -> None:
    if imported.job is not None and imported.job.state in jobs.OPEN:
        raise Refused("busy", _("This import is under way."))


def _refuse_gone(imported: Import) -> None:
    """An erasure takes files away that speak of whoever is erased."""
    if not Path(imported.path).is_file():
        raise Refused("file_gone", _("The uploaded file is no longer there. Upload it again."))


def _of_file(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that say how the file is laid out."""
    return {name: options[name] for name in OF_FILE if name in options}


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Where something is written before it takes its place; nothing is left of it."""
    into = path.with_suffix(f".{uuid.uuid4().hex}.csv")
    try:
        yield into
    finally:
        into.unlink(missing_ok=True)


def _look(path: Path, sheet: str, into: Path) -> tuple[sniffing.Layout, dict[str, Any]]:
    """How the file is read, as layout and as the options of its mapping. Raises Refused."""
    options: dict[str, Any] = {}
    if workbooks.is_one(path):
        packed = archives.is_one(path)
        found = archives.look(path, sheet, into) if packed else workbooks.look(path, sheet, into)
        layout = found.layout
        options = {"sheet": found.name, "sheets": found.names}
        options |= {"archive": True} if packed else {"header_row": found.header_row}
        written = into if packed else None
    else:
        layout, written = sniffing.look(path), path
    if written and not reading.sample(written, layout, 1) and not any(True for _ in reading.batches(written, layout)):
        raise Refused("empty", _("The file has a header and no rows."))
    return layout, {**options, "escape": layout.escape, "notes": list(layout.notes)}


def _place(path: Path, into: Path, options: Mapping[str, Any]) -> None:
    """What was looked at takes its place beside the file, and what lay there of another sheet goes."""
    if "sheet" not in options:
        return
    workbooks.rows_of(path).unlink(missing_ok=True)
    said.forget(path)
    into.replace(workbooks.rows_of(path) if options.get("archive") else workbooks.head_of(path))


def remove(path: Path) -> None:
    """Throw an uploaded file away, and what was written out of it."""
    for each in parts_of(path):
        each.unlink(missing_ok=True)


def parts_of(path: Path) -> list[Path]:
    """An uploaded file, if it is there, and all that was written out of it."""
    return [each for each in {path, *path.parent.glob(f"{path.stem}.*")} if each.is_file()]


def _refused_by(imported: Import) -> Import | None:
    """The import of which a file has the refused rows: its own columns, behind the three that say what was wrong."""
    same = Import.objects.filter(header=imported.header[BEFORE:], rejects__isnull=False).exclude(mapping__columns={})
    return same.order_by("-pk").first() if len(imported.header) > BEFORE else None


def _read_as(imported: Import, before: Import) -> None:
    """Corrected rows are read as those were that came in."""
    imported.kind, imported.source, imported.policy = before.kind, before.source, before.policy
    options = {name: told for name, told in before.mapping["options"].items() if name not in OF_FILE}
    own = imported.mapping["options"]
    imported.mapping = {"columns": before.mapping["columns"], "options": {**options, **own}}


def _likely_kind(imported: Import) -> str:
    return headers.likely_kind(imported.header, sample(imported), _called(imported))


def _called(imported: Import) -> str:
    """What the file, or the sheet that is meant of it, is called."""
    return Path(imported.mapping["options"].get("sheet", imported.file_name).removesuffix(".gz")).stem


def guessed(imported: Import) -> Guess:
    """What the columns of an import's file seem to be. Raises Refused when it is not there any more."""
    _refuse_gone(imported)
    return headers.guess(kind_of(imported.kind), imported.header, sample(imported), _called(imported))


@transaction.atomic
def begin(
    imported: Import,
    *,
    mapping: Mapping[str, str | Sequence[str]] | None,
    policy: str = Import.Policy.UPSERT,
    dry_run: bool = False,
    by: User | None,
    now: datetime,
    options: Mapping[str, Any] | None = None,
) -> Job:
    """Write down how the file is read and queue the work. After a dry run it may begin again. Raises Refused."""
    kind = kind_of(imported.kind)
    if policy not in Import.Policy.values:
        reason = _("There is no policy “%(policy)s”. There are: %(policies)s.")
        raise Refused("unknown_policy", reason % {"policy": policy, "policies": ", ".join(Import.Policy.values)})
    locked = Import.objects.select_for_update(of=("self",)).select_related("job", "rollback").get(pk=imported.pk)
    _refuse_busy(locked)
    if locked.rollback is not None or locked.rolled_back_at:
        raise Refused("rolled_back", _(ROLLED_BACK))
    if locked.finished_at and not locked.dry_run:
        raise Refused("done", _("This file has been brought in already. Upload it again to bring it in once more."))
    _refuse_gone(imported)
    told = dict((imported.mapping["columns"] or guessed(imported).mapping) if mapping is None else mapping)
    chosen = {**imported.mapping.get("options", {}), **(options or {})}
    mapped = headers.read(kind, headers.look(imported.header, sample(imported)), told, chosen)
    if not dry_run and kind.custom:
        headers.define(kind, mapped, _labels(told), now)
    job = jobs.enqueue(JOB, {"import": imported.pk}, by=by, now=now, title=_title(imported, kind, dry_run=dry_run))
    after = {"import": imported.pk, "kind": imported.kind, "policy": policy, "dry_run": dry_run}
    audit.record("import.begin", imported.file_name, by=by, now=now, after=after)
    columns = {key: [fields] if isinstance(fields, str) else list(fields) for key, fields in told.items()}
    values = {
        "mapping": {"columns": columns, "options": chosen}, "policy": policy, "dry_run": dry_run, "counts": {},
        "created_by": by, "created_at": now, "finished_at": None, "job": job,
        "traced": not dry_run,
    }  # fmt: skip
    for key, told_value in values.items():
        setattr(imported, key, told_value)
    imported.save(update_fields=[*values])
    return job


def discard(imported: Import) -> None:
    """Throw an import away that was never begun, with its file."""
    remove(Path(imported.path))
    imported.delete()


def work(held: jobs.Held) -> dict[str, Any]:
    """The job of an import: what `kit.jobs` calls."""
    return run(held.payload["import"], held)


def tidy(job: Job) -> None:
    """The job has ended, whichever way: its tables go, and the file once it is brought in.

    A retry reads the file again and goes on behind what was written.
    """
    imported = Import.objects.filter(pk=job.payload["import"], job=job).first()
    if imported is None:
        return
    with transaction.atomic():
        Run(imported, kind_of(imported.kind), [], imported.created_at).drop()
    if imported.finished_at and not imported.dry_run:
        remove(Path(imported.path))


def run(import_id: int, progress: Progress) -> dict[str, Any]:
    """Work an import off from where its cursor stands; the counts. Raises Refused when the file can no longer be read.

    Counts: rows, created, updated, unchanged, skipped (by the policy), repeated (a later row is about the same),
    rejected; and what was made beside: people_created, accounts_created, products_created.
    """
    imported = Import.objects.get(pk=import_id)
    kind = kind_of(imported.kind)
    if imported.rollback_id or imported.rolled_back_at:
        raise Refused("rolled_back", _(ROLLED_BACK))
    _refuse_gone(imported)
    told, options = imported.mapping["columns"], imported.mapping["options"]
    if options.get("archive") and not (unpacked := workbooks.rows_of(Path(imported.path))).is_file():
        archives.extract(Path(imported.path), options["sheet"], unpacked)
    work = Run(
        imported,
        kind,
        headers.read(kind, headers.look(imported.header, sample(imported)), told, options),
        imported.created_at,
    )
    cursor = progress.cursor
    if cursor.get("phase") in ("read", "match", "write") and not work.is_staged(cursor.get("staged", 0)):
        with transaction.atomic():
            _move(progress, "read", read=0)  # what was written stays so: only rows behind it are written again
    while (phase := progress.cursor.get("phase", "read")) != "done":
        PHASES[phase](work, progress)
    return _answer(progress.cursor)


def _read(work: Run, progress: Progress) -> None:
    if not work.path.is_file():
        options, written = work.options, Path(work.imported.path)
        with transaction.atomic():
            _move(progress, "read", read=0)

        def tell(number: int) -> None:
            progress.progress(phase=TITLES["read"], rows_done=number)

        workbooks.convert(written, options["sheet"], work.imported.header, options["header_row"], tell)
    if not progress.cursor.get("read"):
        with transaction.atomic():
            staging.begin(work)
            if work.imported.dry_run:
                said.begin(work, headers.look(work.imported.header, sample(work.imported)))
            _move(progress, "read", read=1, rows=0, staged=0, rejected=0)
    rows, staged, refused = (progress.cursor[name] for name in ("rows", "staged", "rejected"))
    characters = 0
    batches = reading.batches(
        work.path, work.layout, after=progress.cursor["read"], pick=work.picked, rows=reading.BATCH_ROWS
    )
    for batch, raw in ahead(staging.loaded(work, batches)):
        with work.step():
            refused += staging.take(work, batch, raw)
            if work.imported.dry_run:
                said.count(work, raw)
            rows, staged, characters = rows + batch.rows, staged + batch.good, characters + batch.characters
            total = max(rows, round(work.path.stat().st_size * rows / max(characters, 1)))
            _move(progress, "read", read=batch.last, rows=rows, staged=staged, rejected=refused, total=total)
    with work.step():
        staging.finish(work)
        _move(progress, "match")


def _match(work: Run, progress: Progress) -> None:
    """Decide for all rows at once. What an earlier decision refused is decided anew."""
    with work.step():
        planning.anew(work)
        work.kind.match(work)
        planning.ready(work)
        if work.imported.dry_run:
            said.keep(work)
        _move(progress, "write", prepared=False, rejected=work.imported.rejects.count(), turn=_turn())
    if work.imported.dry_run:
        with transaction.atomic():
            _move(progress, "finish", counts=dict(planning.totals(work) + work.kind.foretell(work)))


def _write(work: Run, progress: Progress) -> None:
    try:
        _prepare(work, progress)
        last = progress.cursor["last"]
        while (after := progress.cursor.get("written", 0)) < last:
            until = min(after + WRITTEN_AT_ONCE, last) if progress.cursor["writes"] else last
            with work.step():
                _still_there(progress)
                counts = Counter(progress.cursor.get("counts", {})) + work.kind.write(work, after, until)
                _move(progress, "write", written=until, counts=dict(counts))
    except _TakenAway:
        time.sleep(BREATH)
        with transaction.atomic():
            _move(progress, "match")
        return
    except IntegrityError:
        # Somebody else wrote one of these people meanwhile. Nothing of this range is written; match what is left again.
        rivals = progress.cursor.get("rivals", 0) + 1
        if rivals > RIVALS:
            raise
        with transaction.atomic():
            _move(progress, "match", rivals=rivals)
        return
    with transaction.atomic():
        _move(progress, "finish")


class _TakenAway(Exception):
    """Another import was rolled back since rows were matched, and its people are not there any more: match again."""


def _still_there(progress: Progress) -> None:
    if progress.cursor.get("turn") != _turn():
        raise _TakenAway


def _turn() -> int:
    return int(value(Sql(f"SELECT last_value FROM {TURN}")))


def _prepare(work: Run, progress: Progress) -> None:
    if progress.cursor.get("prepared"):
        return
    with work.step():
        _still_there(progress)
        counts = Counter(progress.cursor.get("counts", {})) + work.kind.prepare(work)
        last, writes = planning.last_row(work), planning.writes(work)
        _move(progress, "write", prepared=True, counts=dict(counts), last=last, writes=writes)


def _finish(work: Run, progress: Progress) -> None:
    with work.step():
        imported, cursor = work.imported, progress.cursor
        if not imported.dry_run:
            made = Counter(cursor.get("counts", {})) + work.kind.conclude(work)
            cursor = {**cursor, "counts": dict(made)}
            written = made.total() - sum(made[name] for name in LEFT)
            if written and work.kind.touches_people:
                exclusions.refresh(work.now)
            if written and cursor.get("last", 0) > WORTH_COUNTING:
                work.tell_planner()
        answer = _answer(cursor)
        Import.objects.filter(pk=imported.pk).update(counts=answer, finished_at=leases.CLOCK)
        imported.refresh_from_db(fields=["counts", "finished_at"])
        action = "import.dry_run" if imported.dry_run else "import.run"
        after = {"import": imported.pk, "kind": imported.kind, "source": imported.source, **answer}
        audit.record(action, imported.file_name, by=imported.created_by, now=work.now, after=after)
        work.drop()
        link = reverse("import", args=[imported.pk])
        _move(progress, "done", counts=cursor.get("counts", {}), result={**answer, "link": link})


PHASES = {"read": _read, "match": _match, "write": _write, "finish": _finish}
TITLES = {
    "read": gettext_noop("Reading"),
    "match": gettext_noop("Comparing"),
    "write": gettext_noop("Writing"),
    "finish": gettext_noop("Finishing"),
    "done": gettext_noop("Done"),
}


def _move(progress: Progress, phase: str, *, total: int | None = None, result: Any = None, **values: Any) -> None:
    """Note where the import stands, in the transaction of the step that brought it there."""
    cursor = {**progress.cursor, "phase": phase, **values}
    more: dict[str, Any] = {} if result is None else {"result": result}
    if phase == "read":
        more |= {"rows_done": cursor.get("rows", 0), "rows_total": total}
    elif phase in ("match", "write"):
        more |= {"rows_done": max(cursor.get("written", 0) - 1, 0), "rows_total": cursor.get("rows")}
    else:
        more |= {"rows_done": cursor.get("rows", 0), "rows_total": cursor.get("rows", 0)}
    progress.progress(phase=TITLES[phase], cursor=cursor, **more)


def _answer(cursor: Mapping[str, Any]) -> dict[str, int]:
    counts = Counter(cursor.get("counts", {}))
    answer = {"rows": cursor.get("rows", 0), **{name: counts.pop(name, 0) for name in ALWAYS}}
    return {**answer, "rejected": cursor.get("rejected", 0), **{name: n for name, n in sorted(counts.items()) if n}}


def counts_of(imported: Import) -> dict[str, int]:
    """The counts of an import that has run, in the order in which they are told."""
    order = {name: place for place, name in enumerate(("rows", *ALWAYS, "rejected"))}
    return dict(sorted(imported.counts.items(), key=lambda each: (order.get(each[0], len(order)), each[0])))


def rejected(imported: Import) -> tuple[list[str], Iterator[list[Any]]]:
    """The rejected rows as a file has them: the columns as they were, with number, column and reason before them."""
    found = imported.rejects.order_by("row", "pk").values_list("row", "column", "reason", "raw")
    lines = ([row, column, _(reason), *raw] for row, column, reason, raw in found.iterator(2000))
    return [_("row"), _("column"), _("reason"), *imported.header], lines


def sample(imported: Import) -> list[list[str]]:
    """The cells of the first rows, by which columns are guessed and dates are read."""
    path, options = Path(imported.path), imported.mapping["options"]
    if "sheet" in options:
        path = workbooks.rows_of(path) if options.get("archive") else workbooks.head_of(path)
    return reading.sample(path, _layout(imported), SAMPLE)


def _layout(imported: Import) -> sniffing.Layout:
    options = imported.mapping.get("options", {})
    return sniffing.Layout(
        imported.encoding, imported.delimiter, tuple(imported.header), escape=options.get("escape", "")
    )


def _labels(told: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """A new custom field is labelled as its column is called."""
    found = {}
    for column, fields in told.items():
        for name in [fields] if isinstance(fields, str) else fields:
            if name.startswith(CUSTOM) and not column.startswith("="):
                found[name.removeprefix(CUSTOM).partition(":")[0]] = column
    return found


def _title(imported: Import, kind: Kind, *, dry_run: bool) -> str:
    words = _("Dry run of %(file)s: %(kind)s") if dry_run else _("Import of %(file)s: %(kind)s")
    return words % {"file": imported.file_name, "kind": kind.label}


def _store(file: BinaryIO | Path | str, path: Path) -> int:
    """Copy what is uploaded, unpacked where it is gzipped; its size. Raises Refused beyond the limit: no disk fills."""
    if isinstance(file, Path | str):
        with open(file, "rb") as source:
            return _store(source, path)
    is_packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    try:
        return _copy(gzip.GzipFile(fileobj=file) if is_packed else file, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused("not_csv", _("The file is compressed by gzip and damaged.")) from error


def _copy(source: Any, path: Path) -> int:
    size = 0
    with path.open("wb") as target:
        os.fchmod(target.fileno(), 0o600)
        while block := source.read(1 << 20):
            size += len(block)
            if size > settings.IMPORT_MAX_BYTES:
                limit = settings.IMPORT_MAX_BYTES >> 20
                reason = _(
                    "The file is larger than %(limit)s MB. Cut it into parts; the same person may be in several."
                )
                raise Refused("body_too_large", reason % {"limit": limit})
            target.write(block)
    return size
