"""The benchmarks still run: nobody notices one that a rename broke until its figures are wanted."""

import json
import subprocess
import sys

import pytest

from tests.installed import ROOT

pytestmark = pytest.mark.slow


def test_each_part_measures_something(tmp_path):
    kept = tmp_path / "medians.json"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "--rounds", "1", "--scale", "0.01"]
    done = subprocess.run([*command, "--save", str(kept)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    works = " ".join(json.loads(kept.read_text()))
    for part in ("mailer send issue", "Redis", "import", "webhook", "check", "render", "/admin/", "list"):
        assert part in works, part


def test_what_became_worse_since_an_earlier_run_is_told(tmp_path, capsys):
    from benchmarks.table import Row, compare, save

    save(
        [Row("a", "s", (1.0,)), Row("b", "per s", (100.0,), at_least=True), Row("c", "s", (1.0,))], tmp_path / "before"
    )
    now = [Row("a", "s", (1.2,)), Row("b", "per s", (80.0,), at_least=True), Row("c", "s", (1.05,))]

    assert compare(now, tmp_path / "before") == 2
    assert capsys.readouterr().out.splitlines() == ["- a: 1.00 → 1.20 s, worse", "- b: 100.0 → 80.0 per s, worse"]
