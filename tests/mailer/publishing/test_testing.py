"""A test email is the one that subscribers would get, and leaves nothing behind but its images."""

import json
import re

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mailer.cli.testing import test as command
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue
from mailer.models import Batch, Delivery, Media, Send
from mailer.publishing.errors import CorrectRequest, Refused
from mailer.publishing.preparing import prepare
from mailer.publishing.testing import MOST, read_recipients, send_test
from subscribers import optin
from subscribers.models import Consent, Subscriber, Subscription
from tests import readers
from tests.installing import an_installation
from tests.readers import ADA, LINK
from tests.stand_in import StandIn

ISSUE = """\
# Weekly 2026-11-20

First lines.

![A sketch of the board](board.png)

## News

Words [with a link](https://example.com/).
"""
BASE = "https://news.example.com"


@pytest.fixture(autouse=True)
def _an_installation(transactional_db, settings, tmp_path, up_to_date):
    an_installation()
    settings.HOME = tmp_path / "home"
    settings.HOME.mkdir()


@pytest.fixture
def api(settings):
    with StandIn() as api:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL, settings.PROVIDER = api.key, api.url, "127.0.0.1"
        settings.BASE_URL = BASE
        yield api


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "2026-11-20.md"
    path.write_text(ISSUE)
    Image.new("RGB", (320, 200), "#0a58ca").save(tmp_path / "board.png")
    return path


def send(file, *words: str) -> Result:
    arguments = [str(file), "--newsletter", "weekly", *words]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def rendered(file, settings):
    issue = read_issue(file, settings.CONFIG)
    archive = f"{settings.BASE_URL}/archive/"
    return render_issue(issue, settings.NEWSLETTERS["weekly"], base_url=settings.BASE_URL, archive_url=archive)


def test_it_is_the_mail_of_the_issue_with_a_mark_and_a_link_of_its_own(api, file, settings):
    result = send(file, "--to", ADA.email)
    assert (result.exit_code, result.stdout) == (0, "127.0.0.1 accepted the test.\n")

    (mail,) = api.accepted
    issue = rendered(file, settings)
    token = issue.placeholders["unsubscribe"]
    assert mail["subject"] == f"[TEST] {issue.subject}"
    assert mail["content"] == {"text/plain": issue.text, "text/html": issue.html}
    (reader,) = mail["recipients"]
    assert reader["unsubscribe_url"] == f"{BASE}/unsubscribe/test/weekly/1/"
    assert reader["header"] == f"<{BASE}/unsubscribe/test/weekly/1/>"
    assert token in issue.html
    assert mail["headers"]["List-ID"] == "The Weekly <weekly.news.example.com>"
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_hash_is_the_one_that_the_send_will_print(api, file, settings):
    result = send(file, "--to", ADA.email)
    assert rendered(file, settings).content_sha256 in result.stderr


def test_what_the_check_would_list_is_counted(api, file):
    assert "lists 1 finding, not an error." in send(file, "--to", ADA.email).stderr


def test_no_send_no_reader_and_no_figure_knows_of_it(api, file):
    readers.everybody()
    counted = {model: model.objects.count() for model in (Send, Batch, Delivery, Subscriber, Subscription, Consent)}
    send(file, "--to", ADA.email)
    assert {model: model.objects.count() for model in counted} == counted
    (mail,) = api.accepted
    assert (mail["send"], mail["attempt"], mail["recipients"][0]["delivery"]) == (None, None, None)


def test_the_images_are_there_before_the_mail_is(api, file, client, settings):
    send(file, "--to", ADA.email)
    (image,) = re.findall(rf'src="{BASE}(/media/[0-9a-f]{{64}}\.png)"', api.accepted[0]["content"]["text/html"])
    assert client.get(image).status_code == 200
    send(file, "--to", ADA.email)
    assert Media.objects.count() == 1


def test_several_people_get_a_copy_each_in_one_request(api, file):
    assert send(file, "--to", ADA.email, "ben@example.com", "--to", "cleo@example.com").exit_code == 0
    (mail,) = api.accepted
    assert {one["email"] for one in mail["recipients"]} == {ADA.email, "ben@example.com", "cleo@example.com"}
    assert len({one["unsubscribe_url"] for one in mail["recipients"]}) == 3


def test_a_rehearsal_says_that_nobody_got_it_and_where_it_is(file, settings):
    result = send(file, "--to", ADA.email)
    assert result.exit_code == 0
    assert "no email went out" in result.stdout
    (mail,) = (settings.HOME / "rehearsals" / "mail").glob("*.eml")
    assert "/unsubscribe/test/weekly/1/" in mail.read_text()


def test_json_tells_what_was_sent(api, file, settings):
    shown = json.loads(send(file, "--to", ADA.email, "--json").stdout)
    assert shown["accepted"] is True
    assert shown["to"] == [ADA.email]
    assert shown["subject"] == "[TEST] Weekly 2026-11-20"
    assert shown["content_sha256"] == rendered(file, settings).content_sha256
    assert isinstance(shown["findings"], list)


@pytest.mark.parametrize("bad", ["ada@", "Ada <ada@example.com>", "ada@example.com\nBcc: eve@example.com"])
def test_a_bad_address_is_bad_usage_and_nothing_is_sent(api, file, bad):
    result = send(file, "--to", ADA.email, "--to", bad)
    assert result.exit_code == 2
    assert "not a valid recipient" in result.stderr
    assert api.requests == []


def test_a_test_goes_to_a_few_and_to_each_once():
    assert len(read_recipients([ADA.email, "ADA@readers.EXAMPLE"])) == 1
    assert len(read_recipients(f"reader{number}@example.com" for number in range(MOST))) == MOST
    with pytest.raises(CorrectRequest, match="at most 20"):
        read_recipients(f"reader{number}@example.com" for number in range(MOST + 1))
    with pytest.raises(CorrectRequest, match="at least one"):
        read_recipients([])


@pytest.mark.parametrize("reason", ["complaint", "manual", "erased"])
def test_who_may_not_be_mailed_gets_no_test_and_then_nobody_does(api, file, reason):
    optin.suppress(readers.confirmed().suppression_hash, reason, LINK)
    result = send(file, "--to", "editor@example.com", ADA.email)
    assert result.exit_code == 1
    assert ADA.email in result.stderr
    assert reason in result.stderr
    assert api.requests == []


def test_what_we_refuse_is_an_exception_and_what_the_provider_refuses_a_result(api, file):
    proof, to = prepare(file, "weekly"), read_recipients([ADA.email])
    optin.suppress(readers.confirmed().suppression_hash, "complaint", LINK)
    with pytest.raises(Refused, match="complaint"):
        send_test(proof.rendered, proof.newsletter, to)
    api.fail("unauthorized")
    outcome = send_test(proof.rendered, proof.newsletter, read_recipients(["editor@example.com"]))
    assert not outcome.accepted


def test_a_mailbox_that_bounced_may_be_tried(api, file):
    bounced = readers.bounced()
    assert send(file, "--to", bounced.email).exit_code == 0
    assert api.times_mailed[bounced.email] == 1


def test_findings_that_block_a_send_are_shown_and_stop_no_test(api, file):
    file.write_text(ISSUE + "\n![Gone](gone.png)\n")
    result = send(file, "--to", ADA.email)
    assert result.exit_code == 0
    assert f"{file}:11:1 error image-missing" in result.stderr
    assert "these would block `send issue`" in result.stderr
    assert len(api.accepted) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unauthorized", "expired, or revoked"),
        ("error after accepting", "it is unknown whether the test arrives"),
        ("too many", ""),
    ],
)
def test_a_refusal_is_reported_with_the_providers_message(api, file, fault, words):
    api.fail(fault)
    result = send(file, "--to", ADA.email)
    assert result.exit_code == 1
    assert "the test was not accepted" in result.stderr
    assert words in result.stderr


def test_an_address_that_the_provider_refuses_is_named(api, file):
    api.bad_addresses.add("ben@example.com")
    result = send(file, "--to", ADA.email, "--to", "ben@example.com")
    assert result.exit_code == 1
    assert "ben@example.com: Does not contain a valid address." in result.stderr


def test_a_refusal_is_in_the_json_too(api, file):
    api.fail("unauthorized")
    result = send(file, "--to", ADA.email, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["accepted"] is False
