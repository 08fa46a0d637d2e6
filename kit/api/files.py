"""Uploads: laid down on disk block by block while they arrive, never held in memory, and never more than allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from kit.api.problems import too_large

FILE = "file"  # what a file is called in a form, and under which a bare body is handed on
BLOCK = 1 << 20
FRAME = 1 << 20  # bytes that a form may have around its file


class Form(MultiPartParser):
    """`multipart/form-data`, no longer than a file may be: Django lays its files down, and stops for nobody."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > settings.IMPORT_MAX_BYTES + FRAME:
            raise too_large(settings.IMPORT_MAX_BYTES)
        return super().parse(stream, media_type, dict(parser_context or {}))


class Csv(BaseParser):
    """`text/csv`: the body is the file, what else there is to say stands in the address."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        limit = settings.IMPORT_MAX_BYTES
        held = TemporaryUploadedFile("body.csv", "text/csv", 0, None)
        laid, size = cast(BinaryIO, held.file), 0
        while block := stream.read(BLOCK):
            size += len(block)
            if size > limit:
                held.close()
                raise too_large(limit)
            laid.write(block)
        held.size = size
        held.seek(0)
        return {FILE: held}


def are_in(request: Request) -> bool:
    """Whether the body is a form or a file, at an address that takes them."""
    kind = (request.content_type or "").partition(";")[0].strip().lower()
    return any(isinstance(each, Form | Csv) and each.media_type == kind for each in request.parsers or ())
