"""Which spellings count as one mailbox, for limits."""

import pytest

from subscribers.mailboxes import folded


@pytest.mark.parametrize(
    ("email_key", "mailbox"),
    [
        ("ada@readers.example", "ada@readers.example"),
        ("ada+news@readers.example", "ada@readers.example"),
        ("ada+a+b@readers.example", "ada@readers.example"),
        ("a.d.a@readers.example", "a.d.a@readers.example"),
        ("a.d.a+news@gmail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
        ("a.d-a_l+news@pm.me", "adal@proton.me"),
        ("ada@protonmail.com", "ada@proton.me"),
        ("ada.l@me.com", "ada.l@icloud.com"),
        ("ada-l@ya.ru", "ada.l@yandex.ru"),
        ("news@ada.fastmail.com", "ada@fastmail.com"),
        ("ada+news@fastmail.com", "ada@fastmail.com"),
        ("+ada@readers.example", "+ada@readers.example"),
        ("ada@sub.gmail.com", "ada@sub.gmail.com"),
    ],
)
def test_tags_do_not_count_nor_what_a_provider_ignores(email_key, mailbox):
    assert folded(email_key) == mailbox
