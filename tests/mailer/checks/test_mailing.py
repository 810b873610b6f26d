def test_a_real_send_needs_a_postal_address_and_a_public_https_address(findings):
    told = findings("Text.", postal_address="", base_url="http://127.0.0.1:8000")
    assert {finding.rule: finding.severity for finding in told} == {"postal-address": "error", "base-url": "error"}


def test_neither_can_be_ignored(rules):
    text = "---\ntitle: Boards\npreheader: x\nignore: [postal-address, base-url]\n---\n\nText.\n"
    assert sorted(rules(text, postal_address="", base_url="http://127.0.0.1:8000")) == ["base-url", "postal-address"]


def test_a_rehearsal_goes_without(rules):
    assert rules("Text.", rehearsal=True, postal_address="", base_url="http://127.0.0.1:8000") == []
