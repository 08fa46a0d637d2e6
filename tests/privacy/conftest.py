"""What these tests put into the working schema goes with them, also after a test that commits."""

from collections.abc import Iterator
from typing import Any

import pytest

from kit.sql import Sql, run


@pytest.fixture(autouse=True)
def nothing_staged_stays(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    marked = request.node.get_closest_marker("django_db")
    if marked and marked.kwargs.get("transaction"):
        with django_db_blocker.unblock():
            run(Sql("DROP TABLE IF EXISTS work.import_9_rows"))
