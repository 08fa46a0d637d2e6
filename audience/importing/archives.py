"""ZIP archives of text files: offered to choose among like the sheets of a workbook, and only ever one taken out.

The archive's own table of contents says what would come out of it: whatever would grow beyond measure, lead elsewhere
or is no plain file is refused before a byte is expanded.
"""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext as _

from audience.importing import sniffing
from audience.importing.refusals import Refused
from audience.importing.workbooks import DENSE_FROM, DENSEST, MOST_PARTS, Sheet

TEXTS = (".csv", ".tsv", ".txt", ".tab")
BLOCK = 1 << 20


def is_one(path: Path) -> bool:
    """Whether an archive is no workbook, so that its files may be looked at."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {part.filename.lower() for part in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # a workbook is told so in its own words
    return "[content_types].xml" not in names and not any(name.startswith("xl/") for name in names)


def look(path: Path, member: str, into: Path) -> Sheet:
    """A file of the archive, the first unless one is named; it is written out whole.

    Raises Refused (`not_csv`, `empty`, `too_large_inside`, `encrypted`, `no_such_sheet`, `unsafe_archive`).
    """
    with zipfile.ZipFile(path) as archive:
        texts = _texts(archive)
    if not texts:
        raise Refused("not_csv", _("There is no CSV file in this ZIP archive."))
    if member and member not in texts:
        raise Refused("no_such_sheet", _("The archive has no file “%(name)s”.") % {"name": member[:100]})
    chosen = member or texts[0]
    extract(path, chosen, into)
    return Sheet(chosen, sniffing.look(into), 1, texts)


def extract(path: Path, member: str, into: Path) -> None:
    """Write one file of the archive out, whole or not at all. Raises Refused."""
    part, size = into.with_suffix(".part"), 0
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as source, part.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            while block := source.read(BLOCK):
                size += len(block)
                if size > settings.IMPORT_MAX_BYTES:  # the table of contents may lie
                    raise Refused("too_large_inside", _("The archive holds more than it says."))
                target.write(block)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, KeyError, RuntimeError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise Refused("not_csv", _("This ZIP archive is damaged.")) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(into)


def _texts(archive: zipfile.ZipFile) -> list[str]:
    """The text files of an archive that is safe to open. Raises Refused for one that is not."""
    parts = archive.infolist()
    for part in parts:
        _refuse_unsafe(part)
    dense = (part.file_size > DENSE_FROM and part.file_size > DENSEST * max(part.compress_size, 1) for part in parts)
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > settings.IMPORT_MAX_BYTES or any(dense):
        reason = _(
            "The archive would become far larger when it is unpacked. Unpack it, and bring in the file you need."
        )
        raise Refused("too_large_inside", reason)
    named = [part.filename for part in parts if part.filename.lower().endswith(TEXTS) and not part.is_dir()]
    return [name for name in named if not any(each.startswith((".", "__MACOSX")) for each in PurePosixPath(name).parts)]


def _refuse_unsafe(part: zipfile.ZipInfo) -> None:
    if part.flag_bits & 1:
        raise Refused("encrypted", _("The archive is locked by a password. Unpack it first."))
    way = PurePosixPath(part.filename.replace("\\", "/"))
    outside = way.is_absolute() or ".." in way.parts or ":" in part.filename[:3]
    if outside or stat.S_ISLNK(part.external_attr >> 16):
        raise Refused("unsafe_archive", _("The archive holds files that lead out of it. It is not opened."))
