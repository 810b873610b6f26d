import os

import pytest

from tests import parts


@pytest.fixture(autouse=True)
def _keys_of_this_database():
    """Each test database is another installation with other keys."""
    from mailer import installation

    installation.public_id.cache_clear()
    installation.link_keys.cache_clear()


def pytest_terminal_summary(terminalreporter):
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(f"skipped: {reason}", yellow=True)


def pytest_report_header():
    return f"database: {os.environ.get('MAILER_TEST_DATABASE', 'sqlite')}"


__all__ = ["parts"]
