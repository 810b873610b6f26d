# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""A subscriber changes their address during a send: the email goes to one mailbox, and its link unsubscribes."""

import pytest

from mailer.sending.delivering import _recipients
from tests import readers
from tests.mailer.reports import ada, issue, mailed, post  # noqa: F401 — whom it was mailed to, and what
from tests.mailer.sending.outgoing import batch_of, claimed, deliver_batch, planned

pytestmark = pytest.mark.django_db
NEW = "ada@new.example"
ONE_CLICK = ("List-Unsubscribe=One-Click", "text/plain")


def one_click(client, url: str) -> int:
    return client.post(url.removeprefix("https://news.example.com"), *ONE_CLICK).status_code


def test_who_moves_between_the_plan_and_the_request_gets_the_issue_at_the_new_address(client, api):
    reader = readers.confirmed()
    send = planned()
    readers.move(reader, NEW)
    deliver_batch(batch_of(send).pk)
    (recipient,) = api.recipients
    assert recipient["email"] == NEW
    assert one_click(client, recipient["unsubscribe_url"]) == 200
    assert readers.state_of(reader) == "unsubscribed"


def test_who_moves_while_the_request_is_under_way_leaves_by_the_link_in_the_old_mailbox(client, api):
    reader = readers.confirmed()
    (recipient,) = _recipients(claimed(planned()))
    readers.move(reader, NEW)
    assert recipient.email == readers.ADA.email
    assert one_click(client, recipient.unsubscribe_url) == 200
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize("kind", ["unsubscribe", "group_unsubscribe"])
def test_who_leaves_by_the_provider_in_the_old_mailbox_has_left(issue, ada, kind):
    readers.move(ada, NEW)
    post(issue.about(ada, kind))
    assert readers.state_of(ada) == "unsubscribed"
