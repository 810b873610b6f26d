import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import addresses
from subscribers.addresses import AddressError, clean_name, parse


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        ("ada@example.com", "ada@example.com", "ada@example.com"),
        ("  ada@example.com ", "ada@example.com", "ada@example.com"),
        ("Ada.Byron@Example.COM", "Ada.Byron@Example.COM", "ada.byron@example.com"),
        ("ada+news@example.com", "ada+news@example.com", "ada+news@example.com"),
        ("ada@bücher.example", "ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("li@例子.example", "li@例子.example", "li@xn--fsqu00a.example"),
        ("li@example。com", "li@example.com", "li@example.com"),
        ("li@ｅｘａｍｐｌｅ.com", "li@example.com", "li@example.com"),
        ("a@b--c.example", "a@b--c.example", "a@b--c.example"),
        ("=1+1|x@example.com", "=1+1|x@example.com", "=1+1|x@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_is_delivered_as_typed_and_known_by_its_key(typed: str, email: str, key: str):
    address = parse(typed)
    assert (address.email, address.key) == (email, key)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "Enter an email address"),
        ("   ", "Enter an email address"),
        ("ada", "one @"),
        ("ada@", "one @"),
        ("@example.com", "one @"),
        ("a@b@example.com", "one @"),
        ("ada@example.com\n", "line breaks"),
        ("ada@example.com\r\nBcc: eve@example.com", "line breaks"),
        ("ada\0@example.com", "control"),
        ("ada@exa\u200bmple.com", "control"),
        ("Ada <ada@example.com>", "only the address"),
        ('"ada b"@example.com', "only the address"),
        ("ada b@example.com", "only the address"),
        ("ada@example.com, ben@example.com", "only the address"),
        ("阿达@example.com", "before the @ may contain only"),
        ("é@example.com", "before the @ may contain only"),
        ("a..b@example.com", "contains a character or a dot"),
        (".a@example.com", "contains a character or a dot"),
        (f"{'a' * 65}@example.com", "longer than 64"),
        (f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 62}.example", "longer than 254"),
        ("ada@localhost", "needs an ending"),
        ("ada@[192.0.2.1]", "not an IP address"),
        ("ada@192.0.2.1", "not an IP address"),
        ("ada@example..com", "not a domain name"),
        ("ada@example.com.", "not a domain name"),
        ("ada@-example.com", "not a domain name"),
        ("ada@exa_mple.com", "not a domain name"),
        (f"ada@{'b' * 64}.com", "not a domain name"),
        ("ada@xn--a.example", "not a domain name"),
    ],
)
def test_what_we_cannot_mail_is_refused_with_its_reason(typed: str, reason: str):
    with pytest.raises(AddressError, match=reason):
        parse(typed)


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_has_a_reason(text: str):
    try:
        address = parse(text)
    except AddressError:
        return
    assert not set("\r\n\0") & set(address.email)
    assert address.key.isascii()


LOCAL = st.text(string.ascii_letters + string.digits + "+_-=", min_size=1, max_size=64)
DOMAIN = st.sampled_from(["example.com", "EXAMPLE.org", "Bücher.example", "例子.example", "mail.Example.NET"])


@given(LOCAL, DOMAIN)
def test_letter_case_does_not_make_another_reader(local: str, domain: str):
    address = parse(f"{local}@{domain}")
    assert parse(f"{local.upper()}@{domain.upper()}").key == address.key
    assert parse(address.email) == address
    assert parse(address.key).key == address.key


def test_a_name_neither_begins_nor_ends_with_what_nobody_sees():
    assert clean_name("\u200b\u00a0Ada\u00ad ") == "Ada"
    assert clean_name("\u00ad") == ""


def test_names_stand_on_one_line():
    assert clean_name(" Ada\r\n  Byron\t") == "Ada Byron"
    with pytest.raises(AddressError, match="control"):
        clean_name("Ada\0")
    with pytest.raises(AddressError, match="200"):
        clean_name("A" * 201)


@given(
    st.from_regex(r"[A-Za-z0-9.+_-]{1,12}@[A-Za-z0-9-]{1,8}(\.[A-Za-z0-9-]{1,8}){0,2}\.[A-Za-z]{1,4}", fullmatch=True)
)
def test_the_short_way_for_plain_addresses_reads_what_the_rules_read(text: str):
    def read() -> addresses.Address | str:
        try:
            return addresses.parse(text)
        except AddressError as error:
            return str(error)

    shortly = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "PLAIN", re.compile("(?!)"))  # matches nothing
        assert read() == shortly
