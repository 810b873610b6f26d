from dataclasses import replace

import pytest

from mailer.checks import check
from mailer.config.newsletter import read_newsletters
from tests.golden import STARTER

INVENTED = "editor@weekly.example"
LOCALHOST = "http://127.0.0.1:8000"


def test_a_real_send_needs_a_postal_address_and_a_public_https_address(findings):
    told = findings("Text.", postal_address="", base_url=LOCALHOST)
    assert {finding.rule: finding.severity for finding in told} == {"postal-address": "error", "base-url": "error"}


def test_none_of_it_can_be_ignored(rules):
    text = "---\ntitle: Boards\npreheader: x\nignore: [postal-address, base-url, sender-reserved]\n---\n\nText.\n"
    told = rules(text, postal_address="", base_url=LOCALHOST, from_email=INVENTED)
    assert sorted(told) == ["base-url", "key-unused", "postal-address", "sender-reserved"]


@pytest.mark.parametrize("domain", ["weekly.example", "example.com", "News.Example.Org", "mail.test", "x.invalid"])
def test_nobody_sends_from_a_domain_that_is_reserved_for_examples(findings, domain):
    (told,) = findings("Text.", from_email=f"editor@{domain}")
    assert (told.rule, told.severity) == ("sender-reserved", "error")
    assert f"from_email is editor@{domain}" in told.message


@pytest.mark.parametrize("domain", ["myexample.com", "example.de", "example.co.uk", "test.dev", "contest"])
def test_other_domains_are_somebodys(rules, domain):
    assert rules("Text.", from_email=f"editor@{domain}", reply_to=f"hello@{domain}") == []


def test_what_the_first_newsletter_toml_invents_cannot_be_sent_with(findings):
    (invented,) = read_newsletters(STARTER / "newsletter.toml").values()
    told = findings(
        "Text.",
        from_email=invented.from_email,
        reply_to=invented.reply_to,
        postal_address=invented.postal_address,
    )
    assert [finding.message.split()[0] for finding in told if finding.rule == "sender-reserved"] == [
        "from_email",
        "reply_to",
    ]
    assert "still" in next(finding.message for finding in told if finding.rule == "postal-address")


@pytest.mark.parametrize("starter", ["newsletter.toml", "en/newsletter.toml", "zh-hans/newsletter.toml"])
def test_name_list_id_about_and_licence_of_the_first_newsletter_toml_cannot_be_sent_with(proof, starter):
    (invented,) = read_newsletters(STARTER / starter).values()
    left = [key for key in ("name", "list_id", "about", "license") if getattr(invented, key)]
    good = proof("# Title\n\nText.\n")
    mine = replace(good.newsletter, **{key: getattr(invented, key) for key in left})
    told = [finding for finding in check(replace(good, newsletter=mine)) if finding.rule == "sample-left"]
    assert {finding.message.split()[0] for finding in told} == set(left) >= {"name", "list_id"}
    assert {finding.severity for finding in told} == {"error"}
    assert check(replace(good, newsletter=mine, rehearsal=True)) == check(replace(good, rehearsal=True))


def test_a_licence_that_others_have_too_may_be_chosen(rules):
    assert rules("Text.", license="CC BY 4.0") == []


def test_a_template_that_lost_the_unsubscribe_link_stops_even_a_rehearsal(proof):
    good = proof("# Title\n\nText.\n", rehearsal=True)
    link = good.rendered.placeholders["unsubscribe"]
    mail = replace(good.rendered, html=good.rendered.html.replace(link, ""), text=good.rendered.text.replace(link, ""))
    told = [finding for finding in check(replace(good, rendered=mail)) if finding.rule == "unsubscribe-missing"]
    assert [finding.message.split()[2] for finding in told] == ["HTML", "text"]
    assert told[0].fix == "put {{ unsubscribe }} back into templates/email/issue/footer.html"
    assert told[0].severity == "error"


def test_a_rehearsal_goes_without(rules):
    assert rules("Text.", rehearsal=True, postal_address="", base_url=LOCALHOST, from_email=INVENTED) == []


def test_a_provider_on_this_machine_takes_any_sender_and_reaches_any_address(rules):
    assert rules("Text.", local=True, base_url=LOCALHOST, from_email=INVENTED) == []
