"""Why a file, a mapping or a row is not taken, in the user's words."""

from __future__ import annotations

from kit import jobs


class Refused(jobs.Refused):
    """The file or its mapping cannot be taken; nothing was written. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
