"""How long each page waits for a database that is down."""

import pytest

from mailer.web.waiting import _patience


@pytest.mark.parametrize(
    ("path", "longest"),
    [("/metrics", 5), ("/webhooks/sendgrid/", 10), ("/admin/", 20), ("/readyz", 2), ("/healthz", 2), ("/", 2)],
)
def test_no_page_waits_longer_than_the_documentation_says(path, longest):
    """See docs/hosting.md. Prometheus gives up after ten seconds."""
    assert _patience(path) <= longest
