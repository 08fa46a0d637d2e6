"""A wide real file in, a score over it, and how well it tells who enrolled: as counted outside the product."""

import json
import subprocess
import sys

import pytest

from tests.examples.test_olist import ROOT, environment

DATA = ROOT.parent / "shared" / "data" / "xeducation_leads"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the X Education file, which is not part of the project")
@pytest.mark.django_db(transaction=True)
def test_the_score_of_x_education_tells_who_enrolled_as_well_as_counted_by_hand(tmp_path):
    command = [sys.executable, "-P", ROOT / "examples" / "xeducation" / "walk.py", DATA, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["subjects"], found["positives"], found["at_limit"]) == (9240, 3561, 3300)
    assert found["auc"] == pytest.approx(0.8806888362654274, abs=1e-12)
    assert found["precision"] == pytest.approx(2520 / 3300)
