# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""What an editor reads before the button, and the question itself."""

import json
import random
import re
from datetime import date

import pytest
from PIL import Image

from mailer.models import Send
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all, planned

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = date.today()
ISSUE = (
    f"---\nnewsletter: weekly\ndate: {TODAY}\npreheader: Boards and compilers.\n---\n"
    "# The Weekly\n\nFirst lines.\n\n## News\n\nA board for everybody, and ![](https://cdn.example.com/board.png)\n"
)
LATER = TODAY.strftime("%-d %B %Y")


@pytest.fixture
def ready(run, api):
    sweep()
    readers.crowd(3)
    return run


def test_the_question_names_subject_date_number_and_newsletter(ready, issue, terminal):
    terminal("n\n")
    asked = ready("send", "issue", issue(ISSUE, "next.md"))
    assert f'Send "The Weekly" ({LATER}) to 3 subscribers of The Weekly? [y/N]' in asked.err
    assert (asked.code, Send.objects.exists()) == (4, False)


def test_a_scheduled_one_says_when_and_that_the_number_may_change(ready, issue, terminal):
    terminal("n\n")
    asked = ready("send", "issue", issue(ISSUE, "next.md"), "--at", "+1h")
    assert "to those subscribed then, now 3 subscribers of The Weekly? [y/N]" in asked.err


def test_the_plan_shows_what_an_editor_looks_at(ready, issue):
    shown = ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run").out
    rows = dict(line.strip().split("  ", 1) for line in shown.splitlines())
    assert (rows["subject"], rows["preheader"], rows["date"]) == ("The Weekly", "Boards and compilers.", LATER)
    assert (rows["subscribers"], rows["images"]) == ("3", "1 from another site")
    assert "alt-missing" in rows["findings"]
    assert "kB" in rows["size"]
    assert not {"content_sha256", "database", "account", "slug"} & set(rows)


def test_a_file_name_with_spaces_is_shown_as_a_shell_takes_it(ready, issue):
    path = issue(ISSUE, "Tide notes.md")
    assert f"`mailer check '{path}'` lists them" in ready("send", "issue", path, "--dry-run").out
    assert f"`mailer check '{path}'` lists" in ready("send", "test", path, "--to", "ada@readers.example").err


def test_the_plan_says_what_the_images_are_for_all_subscribers(ready, issue, tmp_path, terminal):
    path = issue(ISSUE.replace("https://cdn.example.com/board.png", "board.gif"), "next.md")
    noise = random.Random(7).randbytes(1800 * 1200)
    Image.frombytes("L", (1800, 1200), noise).save(
        tmp_path / "board.gif", save_all=True, append_images=[Image.new("L", (1800, 1200))]
    )

    terminal("n\n")
    asked = ready("send", "issue", path).err

    assert re.search(r"images  1, (2|3)\.\d MB: \d\.\d MB from 127\.0\.0\.1 for 3 subscribers", asked), asked
    assert re.search(rf'Send "The Weekly" \({LATER}\) with 1 GIF of (2|3)\.\d MB to 3 subscribers', asked)


def test_hashes_and_database_are_shown_when_asked_for(ready, issue):
    shown = ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run", "--verbose").out
    assert all(name in shown for name in ("content_sha256", "source_sha256", "database", "account", "slug"))


def test_the_plan_as_json_has_the_keys_that_it_always_had(ready, issue):
    shown = json.loads(ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run", "--json").out)
    assert list(shown) == [
        *("provider", "account", "database", "newsletter", "slug", "subject", "from", "audience", "content_sha256"),
        "action",
    ]


def test_fewer_subscribers_than_last_time_are_explained(ready, issue):
    send = planned()
    deliver_all(send)
    first, second, _ = (delivery.subscriber for delivery in send.deliveries.select_related("subscriber"))
    readers.optin.unsubscribe(first.public_id, "weekly", readers.LINK)
    readers.optin.suppress(second.suppression_hash, readers.Suppression.Reason.BOUNCE, readers.LINK)
    shown = ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run").out
    assert "subscribers  1; 2 fewer than 2026-11-20 had: since then 1 unsubscribed, 1 bounced" in shown


def test_the_erased_are_counted_too(ready, issue):
    from subscribers import erasing

    send = planned()
    deliver_all(send)
    erasing.forget(send.deliveries.first().subscriber.email_key, readers.LINK)
    shown = ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run").out
    assert "subscribers  2; 1 fewer than 2026-11-20 had: since then 1 erased" in shown


def test_a_newsletter_that_grew_says_only_how_many(ready, issue):
    deliver_all(planned())
    readers.confirmed()
    assert "subscribers  4\n" in ready("send", "issue", issue(ISSUE, "next.md"), "--dry-run").out


OLD = ISSUE.replace(f"date: {TODAY}", "date: 2024-01-10")


def test_an_issue_of_long_ago_ends_with_4_where_nobody_can_be_asked(ready, issue):
    for dry in ((), ("--dry-run",)):
        ran = ready("send", "issue", issue(OLD, "old.md"), "--yes", *dry)
        assert (ran.code, "is dated 10 January 2024" in ran.err, "add --old-date" in ran.err) == (4, True, True)
    assert not Send.objects.exists()
    assert ready("send", "issue", issue(OLD, "old.md"), "--dry-run", "--old-date").code == 0
    assert ready("send", "issue", issue(OLD, "old.md"), "--yes", "--detach", "--old-date").code == 0


def test_at_a_terminal_the_date_is_a_question_of_its_own_despite_yes(ready, issue, terminal):
    terminal("n\n")
    ran = ready("send", "issue", issue(OLD, "old.md"), "--yes")
    assert (ran.code, "Is it the right issue? [y/N]" in ran.err, Send.objects.exists()) == (4, True, False)
    terminal("y\n")
    assert ready("send", "issue", issue(OLD, "old.md"), "--yes", "--detach").code == 0
