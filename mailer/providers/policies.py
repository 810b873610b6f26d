"""Bounces by which a receiver refuses the sender or the content: what each says, and what to do about it.

None of them is the subscriber's fault. Sources: https://support.google.com/a/answer/3726730 (Gmail),
https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online (Microsoft 365),
https://support.microsoft.com/topic/34cfe8f8-6fbf-457e-9e8b-9e4dbaf4e0ef (outlook.com), https://senders.yahooinc.com/smtp-error-codes
(Yahoo), https://smtp.codes/qq (QQ).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# {provider} and {authenticate} are the configured provider's: its name, and what to do there.
AUTHENTICATE = (
    "run `mailer doctor`; {authenticate}, add the DNS records that it shows and a DMARC record, then check a test "
    "email with `mailer doctor --received FILE.eml`"
)
REPUTATION = (
    "email only people who asked for it, and send slower (max_per_hour); check Gmail Postmaster Tools and "
    "{provider}'s reputation; ask {provider} support about the IP address if the account shares one"
)
SENDING_IP = "ask {provider} support to have the IP address delisted or changed"


@dataclass(frozen=True)
class Bounce:
    """What a provider reports of a bounce."""

    codes: Sequence[str]  # enhanced status codes (RFC 3463)
    said: str  # the receiving server's sentence
    kind: str = ""  # how the provider classifies it; `reputation` and `content` are because of us


@dataclass(frozen=True)
class Policy:
    """One reason why a receiver refuses us. `key` is stored in the database, so it never changes."""

    key: str
    codes: str = ""  # regular expression for the whole enhanced code, without its class (4 or 5)
    phrase: str = ""  # regular expression for the server's sentence
    says: str = ""
    fix: str = ""

    def fits(self, codes: Iterable[str], said: str) -> bool:
        if self.codes and not any(re.fullmatch(rf"[45]\.{self.codes}", code) for code in codes):
            return False
        return not self.phrase or re.search(self.phrase, said, re.IGNORECASE) is not None


# The first match wins.
POLICIES = (
    Policy(
        "5.7.515",
        r"7\.515",
        says="outlook.com rejects bulk email that does not pass SPF, DKIM and DMARC (since May 2025)",
        fix=AUTHENTICATE,
    ),
    Policy(
        "5.7.26",
        r"7\.26",
        says="Gmail rejects the email because neither SPF nor DKIM passes, or because of your DMARC record",
        fix=AUTHENTICATE,
    ),
    Policy("5.7.24", r"7\.24", says="Gmail finds suspicious entries in your SPF record", fix="correct the SPF record"),
    Policy("5.7.25", r"7\.25", says="the sending IP address has no reverse DNS record (PTR)", fix=SENDING_IP),
    Policy("5.7.27", r"7\.27", says="Gmail rejects the email because SPF does not pass", fix=AUTHENTICATE),
    Policy(
        "5.7.28",
        r"7\.28",
        says="Gmail sees an unusual rate of email from your IP address, domain or links",
        fix=REPUTATION,
    ),
    Policy("5.7.29", r"7\.29", says="Gmail rejects email sent without TLS", fix="ask {provider} support"),
    Policy("5.7.30", r"7\.30", says="Gmail rejects the email because DKIM does not pass", fix=AUTHENTICATE),
    Policy("5.7.32", r"7\.32", says="Gmail: neither SPF nor DKIM is aligned with your From address", fix=AUTHENTICATE),
    Policy("5.7.23", r"7\.23", says="the receiver rejects the email because SPF does not pass", fix=AUTHENTICATE),
    Policy("5.7.509", r"7\.509", says="Microsoft 365 rejects the email because DMARC does not pass", fix=AUTHENTICATE),
    Policy(
        "5.7.511",
        r"7\.511",
        says="Microsoft 365 has banned the sender",
        fix="write to delist@microsoft.com with the whole answer of the server (`mailer status SLUG --list bounced`)",
    ),
    Policy(
        "5.7.513",
        r"7\.513",
        says="the subscriber's organization blocks the sending IP address or domain",
        fix="ask its administrators to allow your domain",
    ),
    Policy(
        "5.7.606",
        r"7\.(?:60[6-9]|6[1-4]\d)",
        says="Microsoft 365 has banned the sending IP address",
        fix="have it delisted at https://sender.office.com, or ask {provider} support",
    ),
    Policy(
        "5.7.1 S3150",
        phrase=r"part of their network is on our block list|\bA?S3150\b",
        says="outlook.com has the sending IP address or its network on its block list",
        fix=SENDING_IP,
    ),
    Policy(
        "4.7.650",
        r"7\.(?:5\d\d|6[5-9]\d|[78]\d\d)",
        says="Microsoft throttles the sending IP address because of its reputation",
        fix=REPUTATION,
    ),
    Policy(
        "5.7.1 reputation",
        r"7\.[01]",
        r"very low reputation|unsolicited mail|\bTSS?\d\d\b|user complaints",
        says="the receiver treats your email as spam because of the reputation of your domain or IP address",
        fix=REPUTATION,
    ),
    Policy(
        "5.7.1 blocklist",
        r"7\.\d+",
        r"spamhaus|barracuda|spamcop|blocklist|block list|blacklist|\[BL\d\d\]",
        says="the sending IP address or domain is on a block list",
        fix=SENDING_IP,
    ),
    Policy("5.7.9", r"7\.9", says="Yahoo rejects the email because DMARC or DKIM does not pass", fix=AUTHENTICATE),
    Policy(
        "QQ DMARC",
        phrase=r"\bDMARC check failed\b",
        says="QQ rejects the email because DMARC does not pass",
        fix=AUTHENTICATE,
    ),
    Policy(
        "QQ content",
        phrase=r"\bmail content denied\b|\bcontent rejected\b|\bDT:SPM\b|\bMI:(?:SPB|STC)\b",
        says="QQ or NetEase (163, 126) treat the content as spam, or see too much of it",
        fix="check the text and its links, send slower (max_per_hour), and register your domain with their postmasters",
    ),
    Policy(
        "QQ sender",
        phrase=r"\bsuspected spam sender\b|\bsender frequency limited\b",
        says="QQ treats your domain or IP address as a sender of spam, or as too fast",
        fix="send slower (max_per_hour), and register your domain with QQ's postmaster",
    ),
)
CONTENT = Policy(
    "content",
    says="the receiver rejects the content of the email",
    fix="check the text, the subject and the links of the issue; try `mailer send test` to a mailbox there",
)
BY_REPUTATION = Policy(
    "reputation",
    says="the receiver rejects email from your domain or IP address because of its reputation",
    fix=REPUTATION,
)
OTHER = Policy(
    "other",
    says="the receiver's policy rejects the email",
    fix="read what its server said: `mailer status SLUG --list bounced`; " + AUTHENTICATE,
)
BY_KIND = {"reputation": BY_REPUTATION, "content": CONTENT}
BY_KEY = {policy.key: policy for policy in (*POLICIES, CONTENT, BY_REPUTATION, OTHER)}


def is_policy(bounce: Bounce) -> bool:
    """Tell whether a bounce is because of us. A code of the class x.7.x wins over whatever else is said."""
    return _any_policy_code(bounce.codes) or bounce.kind in BY_KIND or _by_phrase_alone(bounce.said) is not None


def policy_of(bounce: Bounce) -> Policy:
    """Return the reason of a bounce that is because of us."""
    for policy in POLICIES:
        if policy.fits(bounce.codes, bounce.said):
            return policy
    return BY_KIND.get(bounce.kind, OTHER)


def policy_named(key: str) -> Policy:
    """Return the policy of this key; a key that this version does not know is `other`."""
    return BY_KEY.get(key, OTHER)


def _any_policy_code(codes: Iterable[str]) -> bool:
    return any(code.startswith(("5.7.", "4.7.")) for code in codes)


def _by_phrase_alone(said: str) -> Policy | None:
    """Match the phrase without a code: Chinese receivers give no enhanced codes."""
    return next((policy for policy in POLICIES if not policy.codes and policy.fits((), said)), None)
