"""Emails before SpamAssassin, with the rules that need no network: not a single point."""

import json
import re
import subprocess
from email import policy
from email.parser import BytesParser
from pathlib import Path
from uuid import uuid4

import pytest

from mailer.providers.headers import issue_headers
from mailer.providers.messages import Message, Recipient, Recipients
from mailer.providers.sendgrid.payload import write_request
from mailer.providers.sendgrid.rehearsal import mail_of
from tests.golden import ISSUES
from tests.mailer.quality.mails import BASE, LEAVE, confirmation, named, rendered
from tests.parts import skip_without, spamassassin
from tests.readers import ADA

# The line that every spam filter must take for spam (GTUBE).
SPAM = b"""Subject: Hello
From: ada@readers.example

XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X
"""


def judged(mail: bytes, home: Path) -> tuple[float, str]:
    """Return the score, and the rules that contributed to it."""
    program = spamassassin()
    if program is None:
        skip_without("spamassassin")
    ran = subprocess.run(
        [program, "--test-mode", "--local", "--nocreate-prefs"],
        input=mail,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},  # nobody's own rules or learning
        capture_output=True,
        timeout=60,
        check=True,
    )
    message = BytesParser(policy=policy.default).parsebytes(ran.stdout)
    status = str(message["X-Spam-Status"])
    return float(re.search(r"score=(-?[\d.]+)", status)[1]), status


def as_readers_get_it(path: Path) -> bytes:
    newsletter, issue = rendered(path)
    message = Message(
        subject=issue.subject,
        from_email=newsletter.from_email,
        from_name=newsletter.from_name,
        reply_to=newsletter.reply_to,
        html=issue.html,
        text=issue.text,
        headers=issue_headers(newsletter.label, newsletter.name, newsletter.list_id, BASE),
        unsubscribe_placeholder=issue.placeholders["unsubscribe"],
        custom_args={},
    )
    ada = Recipients.of([Recipient(1, ADA.email, ADA.name, LEAVE)])
    payload = json.loads(write_request(message, ada, uuid4()).body)
    return mail_of(payload, payload["personalizations"][0], "Zc8mP0QkTS6r3v1bJkXWqA.0")


def test_the_judge_knows_spam(tmp_path: Path):
    score, _ = judged(SPAM, tmp_path)
    assert score > 100


@pytest.mark.parametrize("name", [*(path.stem for path in ISSUES), "seed"])
def test_an_issue_is_not_taken_for_spam(name: str, tmp_path: Path):
    score, rules = judged(as_readers_get_it(named(name)), tmp_path)
    assert score <= 0, rules


@pytest.mark.django_db
@pytest.mark.parametrize("newsletter", ["weekly", "jianbao"])
def test_the_mail_to_confirm_is_not_taken_for_spam(newsletter: str, tmp_path: Path, mailoutbox):
    confirmation(newsletter)
    score, rules = judged(mailoutbox[-1].message().as_bytes(), tmp_path)
    assert score <= 0, rules
