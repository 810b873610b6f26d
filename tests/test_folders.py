import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import os, subprocess, sys
import tests.environment
written = [os.environ["MAILER_HOME"]]
for _ in range(2):
    asked = [sys.executable, "-c", "import os, tests.environment; print(os.environ['MAILER_HOME'])"]
    written.append(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
assert len(set(written)) == 3 and all(map(os.path.isdir, written)), written
"""


def test_a_run_leaves_no_folder_behind_also_of_processes_that_it_started(tmp_path):
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_TEST_")}
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=alone | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
