"""Segments: named conditions that keep themselves, and fixed lists; who is in them, since when, and who was.

A dynamic segment is compared with its condition by difference: what is inserted and closed among its members *is* who
entered and left. The live engine does so for everybody who changed (`judge`), the clock for whom time alone changes, a
job for all. A query that fails removes nobody and is told on the segment's page; so many leaving at once that it looks
like an accident are held back until somebody has looked.
"""

from audience.segments.asking import PREFIX, kept, members, of_subject, of_subject_then, sentence, users, why
from audience.segments.comparing import FAULTS, Difference, in_words, refresh
from audience.segments.editing import Refused, add, change, create, create_list, delete, remove
from audience.segments.filling import fill, fill_again, fill_later, let_leave, work, would_leave
from audience.segments.keeping import clock, judge

__all__ = [
    "FAULTS", "PREFIX", "Difference", "Refused", "add", "change", "clock", "create", "create_list", "delete", "fill",
    "fill_again", "fill_later", "in_words", "judge", "kept", "let_leave", "members", "of_subject",
    "of_subject_then", "refresh", "remove", "sentence", "users", "why", "work", "would_leave",
]  # fmt: skip
