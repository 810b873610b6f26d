import pytest

from mailer.checks.personal import behind, password_in, whose

BASE = "https://news.example.com"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.x.y"


@pytest.mark.parametrize(
    "address",
    [
        "https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Fx&data=05%7C02%7Cada",
        "https://www.google.com/url?q=https://a.example/x&sa=D",
        "https://google.co.uk/url?sa=t&url=https%3A%2F%2Fa.example%2Fx",
        "https://l.facebook.com/l.php?u=https%3A%2F%2Fa.example%2Fx&h=AT0",
        "https://link.zhihu.com/?target=https%3A//a.example/x",
        "https://urldefense.com/v3/__https://a.example/x__;!!abc",
        "https://urldefense.proofpoint.com/v2/url?u=https://a.example/x&d=DwMF",
        "https://nam.safelink.emails.azure.net/redirect/?destination=https%3A%2F%2Fa.example%2Fx",
        "https://www.youtube.com/redirect?event=video&q=https%3A%2F%2Fa.example%2Fx",
    ],
)
def test_an_address_that_leads_on_says_where(address):
    assert behind(address) == "https://a.example/x"


@pytest.mark.parametrize(
    "address",
    [
        "https://weekly.us1.list-manage.com/track/click?u=1&id=2&e=3",
        "https://u1.ct.sendgrid.net/ls/click?upn=u001.abc",
        "https://links.weekly.example/ls/click?upn=u001.abc",
        "https://substack.com/redirect/2-abc?j=eyJ1IjoiMSJ9",
        "https://email.mg.a.example/c/eJwNy",
        "https://tracking.a.example/CL0/https:%2F%2Fb.example/1",
        "https://www.bing.com/ck/a?!&&p=abc",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__a.example&d=x",
        "https://x.r.us-east-1.awstrack.me/L0/https:%2F%2Fa.example/1",
    ],
)
def test_an_address_that_counts_clicks_may_not_say_where(address):
    assert behind(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "https://www.google.com/search?q=https://a.example",
        "https://www.google.com/url",
        "https://mail.google.com/",
        "https://www.youtube.com/watch?v=1",
        "https://gitee.com/a/b",
        "https://us1.campaign-archive.com/?u=1&id=2",
        "https://a.example/click?url=https://b.example",
        "https://a.example:x/",
        "a.md",
    ],
)
def test_other_addresses_lead_where_they_say(address):
    assert behind(address) is None


@pytest.mark.parametrize(
    "address",
    [
        f"{BASE}/unsubscribe/AAAAAAAAAAGT1abc/",
        f"{BASE}/weekly/preferences/AAAAAAAAAAGT1abc",
        f"{BASE}/unsubscribe/AAAAAAAAAAGT1abc/?preferences",
        f"{BASE}/confirm/AAAAAAAAAAGT1abc/",
        "https://weekly.us1.list-manage.com/unsubscribe?u=1&id=2&e=3",
        f"https://a.example/action/disable_email?token={TOKEN}",
        "https://a.example/unsubscribe/5f0c7a9e-6a0f-4a36-8a86-0d5a3f9a3a11",
        "https://a.example/optout?email=ada@example.org",
        "https://a.example/u/5f0c7a9e-6a0f-4a36-8a86-0d5a3f9a3a11/unsubscribe",
        "https://mail.google.com/mail/u/0/#inbox/FMfcgzQZ",
        "https://outlook.office.com/mail/inbox/id/AAQkAD",
    ],
)
def test_the_link_of_one_person_says_so(address):
    assert whose(address, BASE)


@pytest.mark.parametrize(
    "address",
    [
        f"{BASE}/",
        f"{BASE}/archive/2026-11-13/",
        f"{BASE}/unsubscribe/",
        "https://a.example/unsubscribe",
        "https://mail.google.com/mail/u/0/",
        "https://a.example/blog/unsubscribe/how-to-leave-a-list-in-2026/",
        "https://a.example/how-to-unsubscribe?id=7",
        "https://code.example/tools/unsubscribe/commit/9fceb02d0ae598e95dc970b74767f19372d61af8",
        f"https://a.example/posts?token={TOKEN}",
        *(
            f"https://code.example/ada/tools/{kind}/9fceb02d0ae598e95dc970b74767f19372d61af8/unsubscribe"
            for kind in ("blob", "tree", "raw", "src", "src/commit", "commits", "blame")
        ),
        "https://raw.githubusercontent.com/ada/tools/9fceb02d0ae598e95dc970b74767f19372d61af8/unsubscribe",
    ],
)
def test_a_page_for_everybody_is_nobodys(address):
    assert whose(address, BASE) == ""


def test_a_password_is_seen_and_a_name_alone_is_none():
    assert password_in("https://ada:secret@a.example/")
    assert not password_in("https://ada@a.example/")
    assert not password_in("https://ada:@a.example/")
    assert not password_in("https://" + ":" * 100_000), "it must not try every colon with every other"
    assert not password_in("https://a.example/x:y@z")
    assert not password_in("mailto:a:b@c.example")
