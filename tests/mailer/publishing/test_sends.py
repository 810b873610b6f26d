"""Which send a slug or a file means, and whether this process may continue it."""

import pytest

from mailer.models import REHEARSAL, Send
from mailer.publishing.errors import CorrectRequest, Refused
from mailer.publishing.sends import find_send, require_own, require_provider
from tests import readers
from tests.mailer.sending.outgoing import planned

pytestmark = pytest.mark.django_db


def test_a_slug_and_its_file_lead_to_the_same_send(tmp_path):
    readers.confirmed()
    send = planned()
    (tmp_path / "2026-11-20.md").write_text("# The Weekly\n\nText\n")
    assert find_send("2026-11-20", None) == send
    assert find_send(str(tmp_path / "2026-11-20.md"), "weekly") == send


def test_a_real_send_comes_before_a_rehearsal():
    readers.confirmed()
    real = planned(provider="api.example.com")
    planned(provider=REHEARSAL)
    assert find_send("2026-11-20", None) == real


def test_one_of_several_newsletters_must_be_named():
    readers.confirmed("weekly")
    readers.confirmed("jianbao")
    planned(newsletter="weekly", provider="api.example.com")
    other = planned(newsletter="jianbao", provider="api.example.com")
    with pytest.raises(CorrectRequest, match="several newsletters"):
        find_send("2026-11-20", None)
    assert find_send("2026-11-20", "jianbao") == other


def test_a_send_may_be_named_as_reports_name_it():
    readers.confirmed("weekly")
    readers.confirmed("jianbao")
    sends = [planned(newsletter=label, provider="api.example.com") for label in ("weekly", "jianbao")]
    assert [find_send(f"{send.newsletter}/2026-11-20", None) for send in sends] == sends
    assert find_send("weekly/2026-11-20", "weekly") == sends[0]
    for name, newsletter in (("weekly/2026-11-20", "jianbao"), ("nowhere/2026-11-20", None), ("weekly/", None)):
        with pytest.raises(CorrectRequest, match=f"there is no send '{name}'"):
            find_send(name, newsletter)


def test_a_slug_of_no_send_is_refused():
    with pytest.raises(CorrectRequest, match="there is no send"):
        find_send("2026-11-20", None)


def test_only_the_provider_and_account_that_planned_a_send_go_on_with_it():
    readers.confirmed()
    send = planned()
    require_provider(send)
    send.provider = "api.example.com"
    with pytest.raises(Refused, match="planned for"):
        require_provider(send)
    with pytest.raises(Refused, match="cannot be sent from here"):
        require_own(Send(slug="2026-11-20", provider="api.example.com"))
