"""Files in: one path for every file and every kind of rows.

Read first: running.py (the phases), staging.py (text to values), kinds/people.py (what becomes of a row).
`importing.start(file, kind, …)` takes a file in and queues its job, `importing.run(import_id, progress)` is the job.
`rollback.begin(imported, …)` takes all of it back.
"""

from audience.importing import rollback, said
from audience.importing.refusals import Refused
from audience.importing.running import (
    begin,
    choose_kind,
    choose_sheet,
    counts_of,
    discard,
    guessed,
    kind_of,
    parts_of,
    rejected,
    remove,
    run,
    sample,
    start,
    tidy,
    upload,
    work,
)

__all__ = [
    "Refused", "begin", "choose_kind", "choose_sheet", "counts_of", "discard", "guessed", "kind_of", "parts_of",
    "rejected", "remove", "rollback", "run", "said", "sample", "start", "tidy", "upload", "work",
]  # fmt: skip
