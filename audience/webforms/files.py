"""Files that forms hand out: kept under generated names, of few kinds, and given to whoever holds a signed address."""

from __future__ import annotations

import secrets
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from audience.models import Form, FormFile, Submission
from kit import tokens

LARGEST = 50 << 20
LASTS = timedelta(days=7)
KIND = "form file"
# By what a file must begin, whatever it is called.
BEGINS = {
    ".pdf": b"%PDF-", ".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff",
    **dict.fromkeys((".zip", ".epub", ".docx", ".xlsx", ".pptx"), b"PK\x03\x04"),
}  # fmt: skip


class Refused(ValueError):
    """A file that is not kept, in the user's words."""


def keep(form: Form, file: UploadedFile, *, now: datetime) -> FormFile:
    """A file for a form to hand out. Raises Refused for what is too large, or not of the kind that its name says."""
    name = Path(str(file.name or "").replace("\\", "/")).name[-200:]
    ending = Path(name).suffix.lower()
    if ending not in BEGINS:
        known = ", ".join(sorted(each.lstrip(".") for each in BEGINS))
        raise Refused(_("Files of this kind are not handed out. Choose one of: %(kinds)s.") % {"kinds": known})
    size = file.size or 0
    if size > LARGEST:
        raise Refused(_("The file is larger than %(most)s MB.") % {"most": LARGEST >> 20})
    if not file.read(len(BEGINS[ending])) == BEGINS[ending] or not _is_whole(file, ending):
        raise Refused(_("This is no %(kind)s file, whatever its name says.") % {"kind": ending.lstrip(".")})
    stored = secrets.token_hex(16)
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    file.seek(0)
    with (folder / stored).open("xb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)
    return FormFile.objects.create(form=form, name=name, stored=stored, size=size, created_at=now)


def token(submission: Submission, *, now: datetime) -> str:
    """What entitles to the file that a submission was promised."""
    return tokens.made(KIND, str(submission.key), now=now)


def promised(submission: Submission) -> FormFile | None:
    """The file that a submission's own edition hands out, if it does and it is time."""
    asked = submission.edition.asked
    if not asked.get("file") or (asked.get("after_confirming") and not submission.confirmed_at):
        return None
    return FormFile.objects.filter(pk=asked["file"], form=submission.form).first()


def opened(text: str, *, now: datetime) -> tuple[FormFile, Path] | None:
    """The file of a token and where it lies; None for one that was not signed here, is too old, or has no file."""
    key = tokens.read(KIND, text, lasts=LASTS, now=now)
    found = Submission.objects.select_related("form", "edition").filter(key=key, person__erased_at=None).first()
    file = promised(found) if found else None
    path = _folder() / file.stored if file else None
    return (file, path) if file and path and path.is_file() else None


def _folder() -> Path:
    return Path(settings.UPLOADS) / "forms"


def _is_whole(file: UploadedFile, ending: str) -> bool:
    if BEGINS[ending] != BEGINS[".zip"]:
        return True
    file.seek(0)
    return zipfile.is_zipfile(file)
