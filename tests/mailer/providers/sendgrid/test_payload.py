import re
import sys
from collections import Counter
from contextlib import nullcontext
from email import message_from_string
from email.header import decode_header, make_header
from email.policy import default

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.providers.headers import issue_headers, phrase
from mailer.providers.messages import InvalidMessage, Recipient, Recipients
from mailer.providers.sendgrid.payload import (
    _IN_LINK,
    _LINK,
    NO_TRACKING,
    address,
    common_headers,
    contents,
    readable_name,
    write_request,
)
from mailer.providers.sendgrid.strict import faults_of
from tests.mailer.providers.letters import PLACEHOLDER, issue, reader, readers
from tests.mailer.providers.sendgrid.letters import ATTEMPT, parsed

JSON = {"Content-Type": "application/json"}
ANY_TEXT = st.text(st.characters(), max_size=60)  # with control characters and lone surrogates


def decoded(value):
    return str(make_header(decode_header(value)))


def test_each_reader_gets_a_personalization_in_the_order_given():
    payload = parsed(people=[reader(3), reader(1), reader(2)])
    assert [one["custom_args"] for one in payload["personalizations"]] == [
        {"mailer_delivery": "3"},
        {"mailer_delivery": "1"},
        {"mailer_delivery": "2"},
    ]


def test_a_personalization_holds_the_readers_own_link_and_nothing_personal_in_custom_args():
    one = parsed(people=[reader(7, "ada@example.com", "Ada")])["personalizations"][0]
    link = "https://news.example.org/unsubscribe/token7/"
    assert one == {
        "to": [{"email": "ada@example.com", "name": "Ada"}],
        "headers": {"List-Unsubscribe": f"<{link}>"},
        "substitutions": {PLACEHOLDER: link},
        "custom_args": {"mailer_delivery": "7"},
    }


def test_the_message_says_which_attempt_it_is_of_and_tracks_nobody():
    payload = parsed(attempt=ATTEMPT)
    assert payload["custom_args"] == {
        "mailer_send": "12",
        "mailer_installation": "0c1d",
        "mailer_attempt": str(ATTEMPT),
    }
    assert [payload["tracking_settings"][name]["enable"] for name in payload["tracking_settings"]] == [False] * 4
    assert [part["type"] for part in payload["content"]] == ["text/plain", "text/html"]


def test_an_issue_passes_the_strict_check():
    assert faults_of(parsed(1000), JSON) == []


def test_nothing_is_substituted_where_the_placeholder_does_not_stand():
    payload = parsed(html="<p>no link</p>", text="no link")
    assert all("substitutions" not in one for one in payload["personalizations"])


def test_an_empty_part_is_left_out():
    assert [part["type"] for part in parsed(text=" \n")["content"]] == ["text/html"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Doe, John; PhD", "Doe John PhD"),
        ("王小明", "王小明"),
        ("Ada\r\nBcc: eve@example.com", "Ada Bcc: eve@example.com"),
        ('"Eve" <eve@example.com>', "Eve eve@example.com"),
        ("\u3000王\u3000小明 ", "王 小明"),
        (" Ada  Lovelace ", "Ada Lovelace"),
    ],
)
def test_a_name_cannot_be_read_as_a_second_address_or_line(name, shown):
    assert parsed(people=[reader(name=name)])["personalizations"][0]["to"][0]["name"] == shown


def test_an_international_domain_is_written_in_ascii():
    assert address("info@bücher.example") == {"email": "info@xn--bcher-kva.example"}
    assert address("info@\u2028.example") == {"email": "info@\u2028.example"}  # the provider names it by index


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\r\nBcc: eve@example.com"},
        {"from_name": "The\nWeekly"},
        {"headers": {"X-Note": "one\ntwo"}},
        {"headers": {"X-Note": "nul\0"}},
        {"headers": {"Subject": "another"}},
        {"headers": {"Bad Name": "x"}},
        {"headers": {"Ünicode": "x"}},
        {"headers": {"List-Unsubscribe": "<https://news.example.org/everybody>"}},
        {"headers": {"List-Help": "<https://bücher.example/>"}},
        {"subject": "lone \ud800 surrogate"},
    ],
)
def test_what_may_not_stand_in_a_header_makes_no_request(changes):
    with pytest.raises(InvalidMessage):
        parsed(**changes)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://a.example/ b",
        "https://a.example/>,<https://b.example/",
        "javascript:alert(1)",
        "https://a.example/#x",
        "https://a.example/?a=1&b=2",
        'https://a.example/"',
        "https://a.example/\n",
        "https://a.example/退订",
        "https://a.example/\ud800",
        "https://",
        "//a.example/",
    ],
)
def test_a_link_that_cannot_stand_in_the_header_makes_no_request(url):
    with pytest.raises(InvalidMessage, match="delivery 2"):
        parsed(people=[reader(1), reader(2)._replace(unsubscribe_url=url), reader(3)])


PIECES = st.sampled_from(["http", "s", "://", "a.example", "/", "%20", "&", "\n", "é", "\ud800", " "])


@given(st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=1, max_size=4))
@example(["https://a", "https://"])
@example(["https://a/", "https://a/\nhttps://a"])
@example(["http://a", "https://a"])
def test_links_are_looked_at_together_as_strictly_as_alone(urls):
    people = [reader(number)._replace(unsubscribe_url=url) for number, url in enumerate(urls, 1)]
    wrong = [number for number, url in enumerate(urls, 1) if not _LINK.fullmatch(url)]
    with pytest.raises(InvalidMessage, match=f"delivery {wrong[0]}:") if wrong else nullcontext():
        parsed(people=people)


def test_the_headers_of_an_issue_are_ascii_and_read_back():
    headers = issue_headers("jianbao", "嵌入式AI简报", "jianbao.news.example.com", "https://news.example.org")
    assert all(value.isascii() for value in headers.values())
    assert headers["List-ID"].endswith(" <jianbao.news.example.com>")
    assert decoded(headers["List-ID"]) == "嵌入式AI简报 <jianbao.news.example.com>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Precedence"] == "bulk"
    assert headers["List-Post"] == "NO"
    label, kind, sender = headers["Feedback-ID"].split(":")
    assert (label, kind) == ("jianbao", "issue")
    assert 5 <= len(sender) <= 15
    assert headers == issue_headers("jianbao", "嵌入式AI简报", "jianbao.news.example.com", "https://news.example.org")


def test_encoded_words_are_at_most_75_characters():
    value = common_headers({"X-Note": "很长的名字" * 30})["X-Note"]
    assert decoded(value) == "很长的名字" * 30
    assert max(len(word) for word in value.split(" ")) <= 75


def plainly(message, people, attempt):
    """Return the same request, made from dicts and written by orjson."""
    placeholder = message.unsubscribe_placeholder
    content = contents(message.text, message.html)
    substitutes = bool(placeholder) and any(placeholder in part["value"] for part in content)

    def personalization(one):
        said = {
            "to": [address(one.email, readable_name(one.name) if one.name else "")],
            "headers": {"List-Unsubscribe": f"<{one.unsubscribe_url}>"},
        }
        if attempt:
            said["custom_args"] = {"mailer_delivery": str(one.delivery)}
        if substitutes:
            said["substitutions"] = {placeholder: one.unsubscribe_url}
        return said

    said = {
        "personalizations": [personalization(one) for one in people],
        "from": address(message.from_email, message.from_name),
        "subject": message.subject,
        "content": content,
        "headers": common_headers(message.headers),
        "custom_args": {**message.custom_args, **({"mailer_attempt": str(attempt)} if attempt else {})},
        "tracking_settings": NO_TRACKING,
    }
    if message.reply_to:
        said["reply_to"] = address(message.reply_to)
    return orjson.dumps(said)


ANYBODY = st.builds(
    Recipient,
    delivery=st.integers(0, 2**63 - 1),
    # Anything that a database can hold, more than `addresses` lets in: quotes, backslashes, controls, any script.
    email=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    name=ANY_TEXT,
    unsubscribe_url=st.text(_IN_LINK, min_size=1, max_size=80).map("https://a.example/".__add__),
)


@given(
    people=st.lists(ANYBODY, min_size=1, max_size=5),
    attempt=st.none() | st.uuids(),
    placeholder=st.sampled_from([PLACEHOLDER, "", "nowhere", '"quoted\\"', "100 %s"]),
    reply_to=st.sampled_from(["", "reply@news.example.com", "reply@bücher.example"]),
)
def test_a_request_is_the_json_of_its_parts_to_the_byte(people, attempt, placeholder, reply_to):
    html = f'<p>退订 "now" \\ {PLACEHOLDER}</p>' + '"quoted\\" 100 %s'
    message = issue(html=html, unsubscribe_placeholder=placeholder, reply_to=reply_to)
    assert write_request(message, Recipients.of(people), attempt).body == plainly(message, people, attempt)


def test_what_no_encoding_can_hold_makes_no_request():
    with pytest.raises(InvalidMessage, match="cannot be written as JSON"):
        write_request(issue(html="\ud800"), Recipients.of([reader()]), None)


@given(name=ANY_TEXT)
def test_no_name_of_a_reader_breaks_a_request(name):
    payload = parsed(people=[reader(name=name)])
    assert faults_of(payload, JSON) == []


@given(subject=ANY_TEXT, name=ANY_TEXT)
def test_any_subject_and_newsletter_name_is_refused_or_stays_on_one_line(subject, name):
    try:
        headers = issue_headers("weekly", name, "weekly.example.com", "https://news.example.org")
        payload = parsed(1, subject=subject, from_name=name, headers=headers)
    except InvalidMessage:
        assert re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]|://", subject + name)
        return
    for value in [payload["subject"], payload["from"].get("name", ""), *payload["headers"].values()]:
        assert not re.search(r"[\r\n\0]", value)
    assert all(value.isascii() for value in payload["headers"].values())


@given(name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
def test_a_phrase_reads_back_as_the_name(name):
    message = message_from_string(f"To: {phrase(name)} <ada@example.com>\n\n", policy=default)
    (mailbox,) = message["To"].addresses
    assert mailbox.addr_spec == "ada@example.com"
    if name.isascii():
        assert mailbox.display_name.split() == name.split()


def test_writing_one_reader_more_takes_few_calls():
    """A thousand take a millisecond; with a call of a JSON library each, or a pattern for each link, several."""
    message = issue()
    one, many = (_calls(write_request, message, Recipients.of(readers(count)), ATTEMPT) for count in (1, 1001))
    assert (many - one) / 1000 <= 3


def _calls(function, *arguments):
    """Return how many functions are called meanwhile, those of Python and those in C."""
    events = Counter()
    sys.setprofile(lambda frame, event, argument: events.update([event]))
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return events["call"] + events["c_call"]
