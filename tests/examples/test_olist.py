"""The real case: two public files in, the replayed lifecycle and its funnel out, to the person."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from kit.models import User

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "olist"

# Computed from the files outside the product: leads and won by origin.
BY_ORIGIN = {
    "organic_search": (2296, 271),
    "paid_search": (1586, 195),
    "social": (1350, 75),
    "unknown": (1099, 179),
    "direct_traffic": (499, 56),
    "email": (493, 15),
    "referral": (284, 24),
    "other": (150, 4),
    "display": (118, 6),
    "other_publicities": (65, 3),
    "(empty)": (60, 14),
}


def database_url():
    at = connection.settings_dict
    return f"postgres://{at['USER']}@/{at['NAME']}?host={at['HOST']}&port={at['PORT'] or 5432}"


def environment(folder):
    """Where a command of the product finds this test's database, and a folder of its own."""
    given = os.environ | {"DATABASE_URL": database_url(), "PERENNIAL_DATA": str(folder), "PYTHONPATH": str(ROOT)}
    given.pop("DJANGO_SETTINGS_MODULE", None)
    return given


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the Olist files, which are not part of the project")
@pytest.mark.django_db(transaction=True)
def test_the_olist_funnel_is_right_to_the_person_and_stands_on_the_page(client, tmp_path):
    command = [sys.executable, "-P", ROOT / "examples" / "olist" / "walk.py", DATA, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "leads": 8000,
        "won": 842,
        "conversion": 0.10525,
        "by_origin": {origin: {"leads": leads, "won": won} for origin, (leads, won) in BY_ORIGIN.items()},
        "median_days": 14,
        "won_before_first_contact": 1,
    }
    client.force_login(User.objects.create_user("ada@example.com", "x"))
    address = "/reports/funnel/?lifecycle=olist_sellers&span=all&split=person.source"
    page = " ".join(client.get(address).content.decode().split())
    for figure in ("8,000", "842", "10.5%", "mean 48.44", "p90 162", "dated before"):
        assert figure in page
    for leads, won in BY_ORIGIN.values():
        assert f">{leads:,}<" in page and f">{won:,}<" in page

    again = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), timeout=600, check=False)
    assert again.returncode == 1
    assert "start from an empty one" in again.stderr
