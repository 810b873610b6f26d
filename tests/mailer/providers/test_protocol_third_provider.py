# ruff: noqa: F811 — the fixtures are those of tests/mailer/cli and tests/mailer/sending
"""An issue is sent through a provider that mailer itself does not know."""

import email
import email.policy
import json
from datetime import date

import pytest

from mailer.models import Attempt, Batch, Send
from mailer.publishing.preparing import prepare
from mailer.sending.evidence import Doubt
from mailer.sending.planning import Plan, plan_send
from mailer.sending.reconciling import resend_unknown, unknown_of
from subscribers.mail import confirmations
from subscribers.mail.claiming import MailFailed
from subscribers.mail.failures import NotSent
from subscribers.models import Subscription
from tests import readers
from tests.mailer.cli.conftest import installation, issue, run  # noqa: F401 — the same stage
from tests.mailer.providers.conformance.folder import Folder
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home  # noqa: F401
from tests.mailer.sending.outgoing import balanced, close_breaker, deliver_all, outcomes
from tests.readers import ADA

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = (
    f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# The Weekly 2026-11-20\n\n"
    "First lines.\n\n## News\n\nA board for everybody.\n"
)


@pytest.fixture
def letters(settings, tmp_path):
    """Configure this installation for the provider, with two settings and its own; return the provider's folder."""
    settings.PROVIDER_CLASS = "tests.mailer.providers.conformance.folder.Folder"
    settings.PROVIDER, settings.PROVIDER_IS_LOCAL = "folder", True
    settings.FOLDER = tmp_path / "letters"
    settings.FOLDER.mkdir()
    settings.EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"
    Folder.fault, Folder.bad = "", frozenset()
    yield settings.FOLDER
    Folder.fault, Folder.bad = "", frozenset()


def mails(folder) -> list[email.message.EmailMessage]:
    files = sorted(folder.glob("[!.]*/*.eml"), key=lambda file: file.stem.partition(" ")[2])
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def send(file, settings) -> Send:
    proof = prepare(file, None)
    return plan_send(Plan(proof.newsletter, proof.rendered, settings.PROVIDER, settings.BASE_URL))


def test_an_issue_goes_from_its_file_to_each_subscriber_with_a_link_of_their_own(run, issue, letters, settings):
    readers.crowd(5)
    planned = send(issue(ISSUE), settings)
    assert planned.batches.count() == 3, "two recipients are the most in one request of this provider"
    deliver_all(planned)
    balanced(planned)
    assert planned.state == Send.State.FINISHED
    sent = mails(letters)
    assert len({mail["To"] for mail in sent}) == len({mail["List-Unsubscribe"] for mail in sent}) == len(sent) == 5
    for mail in sent:
        link = mail["List-Unsubscribe"].strip("<>")
        assert link in mail.get_body(("plain",)).get_content()
        assert "A board for everybody" in mail.get_body(("html",)).get_content()
    status = json.loads(run("status", "--json", planned.slug).out)
    assert (status["provider"], status["accepted"]) == ("folder", 5)


def test_faults_of_it_end_as_those_of_any_other(run, issue, letters, settings):
    bad = readers.crowd(4)[0].email
    Folder.bad = frozenset({bad})
    planned = send(issue(ISSUE), settings)
    Folder.fault = "rate limited"
    deliver_all(planned)
    balanced(planned)
    assert outcomes(planned)[bad] == ("rejected", "no such box")
    assert len(mails(letters)) == 3


def test_a_lost_answer_stays_unknown_since_it_can_never_tell(run, issue, letters, settings):
    readers.crowd(2)
    planned = send(issue(ISSUE), settings)
    Folder.fault = "lost after accepting"
    deliver_all(planned)
    (unknown,) = unknown_of(planned.pk)
    assert (unknown.doubt, unknown.may_get_it_twice) == (Doubt.NO_WEBHOOK, 2)
    refused = run("send", "issue", issue(ISSUE, "other.md"), "--on-unknown", "resend", "--yes")
    assert (refused.code, "needs the event webhook" in refused.err) == (2, True)
    assert resend_unknown(planned.pk, accept_duplicates=2) == 1
    close_breaker()
    deliver_all(planned)
    assert Batch.objects.get(send=planned).state == Batch.State.ACCEPTED
    assert Attempt.objects.filter(state=Attempt.State.UNKNOWN).count() == 1


def test_a_confirmation_goes_out_and_one_that_is_refused_for_good_says_so(run, letters):
    readers.pending()
    assert confirmations.send(Subscription.objects.get().pk)
    assert len(mails(letters)) == 1
    Folder.bad = frozenset({ADA.email})
    readers.pending("jianbao", ADA)
    with pytest.raises(MailFailed) as caught:
        confirmations.send(Subscription.objects.get(newsletter="jianbao").pk)
    assert isinstance(caught.value.__cause__, NotSent)
    assert not caught.value.retry


def test_the_doctor_asks_only_what_it_can_tell(run, letters):
    found = {check["name"]: check["state"] for check in json.loads(run("doctor", "--json").out)}
    assert found["FOLDER"] == "ok"
    assert not {"credits", "webhook", "suppressions"} & set(found)
    assert "has no lists that can be read" in run("doctor", "--read-suppressions", "--yes").err


def test_nobody_reports_for_it(client, letters):
    for path in ("folder", "sendgrid"):
        assert client.post(f"/webhooks/{path}/", b"[]", content_type="application/json").status_code == 404
