import logging

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection

from mailer.providers.sendgrid.single_mails import build_mail
from subscribers.mail.failures import NotSent
from tests.stand_in import StandIn


@pytest.fixture
def api(settings):
    settings.EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"
    with StandIn() as stand_in:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = stand_in.key, stand_in.url
        settings.MAILER_HTTP_TIMEOUT = 1
        yield stand_in


def confirmation(to="ada@example.com", **changes):
    backend = "mailer.providers.backend.ProviderBackend"  # Django's test runner puts its own in settings
    mail = EmailMultiAlternatives(
        **{
            "subject": "请确认订阅",
            "body": "请打开 https://news.example.org/confirm/x/",
            "from_email": "嵌入式AI简报 <report@news.example.com>",
            "to": [to],
            "reply_to": ["reply@news.example.com"],
            "headers": {"Auto-Submitted": "auto-generated"},
            "connection": get_connection(backend, fail_silently=changes.pop("fail_silently", False)),
            **changes,
        }
    )
    mail.attach_alternative("<p>请确认</p>", "text/html")
    return mail


def test_a_confirmation_goes_out_with_both_parts_and_its_headers(api):
    assert confirmation().send() == 1
    (mail,) = api.accepted
    assert mail["subject"] == "请确认订阅"
    assert mail["from"] == {"email": "report@news.example.com", "name": "嵌入式AI简报"}
    assert mail["headers"] == {"Auto-Submitted": "auto-generated"}
    assert list(mail["content"]) == ["text/plain", "text/html"]
    assert mail["recipients"][0]["email"] == "ada@example.com"


def test_a_plain_mail_goes_out_with_one_part(api):
    backend = get_connection("mailer.providers.backend.ProviderBackend")
    assert EmailMessage("Hi", "Hello", "a@news.example.com", ["ada@example.com"], connection=backend).send() == 1
    assert api.accepted[0]["content"] == {"text/plain": "Hello"}


def test_the_providers_own_list_of_bounces_is_bypassed_only_for_a_mail_that_asks_for_it(api):
    mail = confirmation()
    mail.bounced_before = True
    assert mail.send() == 1
    assert build_mail(mail)["mail_settings"] == {"bypass_bounce_management": {"enable": True}}
    assert "mail_settings" not in build_mail(confirmation())


def test_a_mail_without_recipients_makes_no_request(api):
    assert confirmation(to="").send() == 0
    assert api.requests == []


@pytest.mark.parametrize(
    ("fault", "retry", "unknown"),
    [
        ("too many", True, False),
        ("unauthorized", True, False),
        ("forbidden", True, False),
        ("too large", True, False),
        ("error before accepting", True, False),
        ("close after accepting", False, True),
        ("200", False, True),
    ],
)
def test_a_mail_that_was_not_sent_says_whether_it_may_be_tried_again(api, fault, retry, unknown):
    api.fail(fault)
    with pytest.raises(NotSent) as caught:
        confirmation().send()
    assert (caught.value.retry, caught.value.unknown) == (retry, unknown)
    assert caught.value.detail


def test_a_refused_address_is_not_tried_again(api):
    with pytest.raises(NotSent, match="valid address") as caught:
        confirmation(to="no address").send()
    assert not caught.value.retry


def test_a_provider_that_is_away_is_tried_again(api):
    api.refuse_connections()
    with pytest.raises(NotSent, match="no connection") as caught:
        confirmation().send()
    assert caught.value.retry


def test_a_line_break_in_the_subject_makes_no_request(api):
    with pytest.raises(NotSent, match="line break"):
        confirmation(subject="Hi\nBcc: eve@example.com").send()
    assert api.requests == []


def test_attachments_are_refused_by_name(api):
    mail = confirmation()
    mail.attach("a.txt", "text", "text/plain")
    with pytest.raises(NotSent, match="attachments"):
        mail.send()


def test_fail_silently_is_silent(api):
    api.fail("forbidden")
    assert confirmation(fail_silently=True).send() == 0


def test_neither_address_nor_key_is_logged(api, caplog):
    caplog.set_level(logging.DEBUG)
    api.fail("forbidden")
    with pytest.raises(NotSent):
        confirmation().send()
    confirmation().send()
    assert "ada@example.com" not in caplog.text
    assert api.key not in caplog.text
