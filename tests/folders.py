"""One folder for all that a run of the tests writes outside pytest's own folders; it is gone when the run has ended."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def of_this_run() -> Path:
    """Return the folder. The process that started the run makes it, names it to the others, and deletes it."""
    if "MAILER_TEST_FOLDER" not in os.environ:
        folder = os.environ["MAILER_TEST_FOLDER"] = tempfile.mkdtemp(prefix="mailer-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(os.environ["MAILER_TEST_FOLDER"])


def new(prefix: str) -> Path:
    """Make a folder in it that nobody else uses."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=of_this_run()))
