"""What several files of tests of campaigns share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import instance
from tests.campaigns.crashing import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Mail servers with a journal, of which a sound one is in use."""
    found = Servers(tmp_path)
    found.use()
    assert instance.is_live()
    yield found
    found.kill()
