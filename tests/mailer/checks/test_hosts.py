import pytest

from mailer.checks.hosts import host_of, is_local, why_broken

BROKEN = {
    "https://https://a.example/": '"https://" twice',
    "http://http//a.example/": '"http://" twice',
    "https://a.orghttps//cdn.a.org/x": "runs into",
    "https://a.comhttp://b.example/": "runs into",
    "https://a.example/onehttps://b.example/two": "runs into",
    "https://www.a.org../": "a dot too many",
    "https://.a.org/": "a dot too many",
    "https://a,org/": '","',
    "https://a org/": '" "',
    "https://[a.org]/": '"["',
    "https://a.example:443443/": "443443",
    "https://a.example:x/": '"x"',
    "https://-a.org/": "hyphen",
    f"https://{'a' * 64}.org/": "too long",
    "https://1.2.3/": "neither a name nor an IP",
    "https://a.example/x](https://b.example/y": "another link",
    'https://a.example/x"': "quotation mark",
    "https://a.example/x”": "quotation mark",
    "https://a.example/x,https://b.example/y": "runs into",
    "https://a.example/x；https://b.example/y": "runs into",
    "https://www./": "in the middle",
    "https://a.c/x": "in the middle",
    "mailto://ada@example.org": "not an email address",
    "mailto:ada@example..org": "not an email address",
    "mailto:": "no email address",
    "mailto: ": "no email address",
    "mailto:ada.example.org": "not an email address",
    "mailto:mailto:ada@example.org": "twice",
    "tel:": "no number",
}
RIGHT = [
    "https://urldefense.com/v3/__https://a.example/x__;!!abc",
    "https://a.example/fetch/w_300,h_200/https://b.example/x.png",
    "https://1.2.3.4/",
    "mailto:ada.b@mail.example.org",
    "https://a.example",
    "https://a.example./",
    "http://a.example:8443/x",
    "https://münchen.example/straße?q=schön",
    "https://例子。中国/路径",
    "https://xn--mnchen-3ya.example/",
    "https://some_name.a.example/",
    'https://a.example/it\'s?q="x"',
    "https://web.archive.org/web/2020/https://a.example/",
    "https://a.example/?url=https://b.example/",
    "https://a.example/#/route?x=1",
    "https://a.example/wiki/“八荣八耻”",
    "https://ada:secret@a.example/",
    "http://[2001:db8::1]:80/",
    "http://1.2.3.4/",
    "//a.example/x",
    "mailto:ada@example.org?subject=Grüße",
    "mailto:ada@example.org,bo@example.org",
    "mailto:ada%2Bnews@example.org",
    "mailto:?subject=Read%20this",
    "tel:+49 30 123",
    "#news",
    "2026-11-13.md",
]


@pytest.mark.parametrize(("address", "says"), BROKEN.items())
def test_an_address_that_nobody_can_open_says_why(address, says):
    assert says in why_broken(address)


@pytest.mark.parametrize("address", RIGHT)
def test_strange_addresses_that_work_are_left_alone(address):
    assert why_broken(address) == ""


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "app.localhost",
        "127.0.0.1",
        "192.168.1.7",
        "10.0.0.1",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "0.0.0.0",
        "wiki",
        "printer.local",
        "git.corp",
        "nas.lan",
        "wiki.intranet",
        "site.test",
        "router.home.arpa",
    ],
)
def test_a_host_of_one_network_is_local(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a.example",
        "example.org",
        "8.8.8.8",
        "192.0.2.1",
        "2001:db8::1",
        "local.example.org",
        "例子.中国",
        "localhost.de",
    ],
)
def test_others_are_not(host):
    assert not is_local(host)


def test_the_host_is_that_of_the_browser():
    assert host_of("HTTPS://ada:x@A.Example:80/b?c#d") == "a.example"
    assert host_of("//[::1]:80/") == "::1"
    assert host_of("mailto:ada@example.org") == host_of("a/b") == ""
