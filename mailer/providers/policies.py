"""Bounces by which a receiver refuses the sender or the content: what each says, and what to do about it.

None of them is the subscriber's fault. Sources: https://support.google.com/a/answer/3726730 (Gmail),
https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online (Microsoft 365),
https://support.microsoft.com/topic/34cfe8f8-6fbf-457e-9e8b-9e4dbaf4e0ef (outlook.com), https://senders.yahooinc.com/smtp-error-codes
(Yahoo), https://smtp.codes/qq (QQ).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# {provider} and {authenticate} are the configured provider's: its name, and what to do there.
AUTHENTICATE = (
    "run `mailer doctor`; {authenticate}, enter the records "
    "that it gives and a DMARC record, then check a test mail with `mailer doctor --received FILE.eml`"
)
REPUTATION = (
    "mail only those who asked for it, and slower (max_per_hour); look at Gmail Postmaster Tools and at "
    "{provider}'s reputation; ask {provider}'s support about the IP address if the account shares one"
)
SENDING_IP = "ask {provider}'s support to have the IP address delisted or changed"


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
        says="outlook.com refuses bulk mail whose domain does not pass SPF, DKIM and DMARC (since May 2025)",
        fix=AUTHENTICATE,
    ),
    Policy(
        "5.7.26",
        r"7\.26",
        says="Gmail refuses the mail because neither SPF nor DKIM pass, or your DMARC record says so",
        fix=AUTHENTICATE,
    ),
    Policy("5.7.24", r"7\.24", says="Gmail finds suspicious entries in your SPF record", fix="correct the SPF record"),
    Policy("5.7.25", r"7\.25", says="the sending IP address has no reverse DNS record (PTR)", fix=SENDING_IP),
    Policy("5.7.27", r"7\.27", says="Gmail refuses the mail because SPF does not pass", fix=AUTHENTICATE),
    Policy(
        "5.7.28",
        r"7\.28",
        says="Gmail sees an unusual rate of mail from your IP address, domain or links",
        fix=REPUTATION,
    ),
    Policy("5.7.29", r"7\.29", says="Gmail refuses mail that comes without TLS", fix="ask {provider}'s support"),
    Policy("5.7.30", r"7\.30", says="Gmail refuses the mail because DKIM does not pass", fix=AUTHENTICATE),
    Policy("5.7.32", r"7\.32", says="Gmail: neither SPF nor DKIM are aligned with your From address", fix=AUTHENTICATE),
    Policy("5.7.23", r"7\.23", says="the receiver refuses the mail because SPF does not pass", fix=AUTHENTICATE),
    Policy("5.7.509", r"7\.509", says="Microsoft 365 refuses the mail because DMARC does not pass", fix=AUTHENTICATE),
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
        fix="have it delisted at https://sender.office.com, or ask {provider}'s support",
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
        says="Microsoft slows the sending IP address down because of its reputation",
        fix=REPUTATION,
    ),
    Policy(
        "5.7.1 reputation",
        r"7\.[01]",
        r"very low reputation|unsolicited mail|\bTSS?\d\d\b|user complaints",
        says="the receiver thinks that your mail is spam because of the reputation of your domain or IP address",
        fix=REPUTATION,
    ),
    Policy(
        "5.7.1 blocklist",
        r"7\.\d+",
        r"spamhaus|barracuda|spamcop|blocklist|block list|blacklist|\[BL\d\d\]",
        says="the sending IP address or domain is on a block list",
        fix=SENDING_IP,
    ),
    Policy("5.7.9", r"7\.9", says="Yahoo refuses the mail because DMARC or DKIM do not pass", fix=AUTHENTICATE),
    Policy(
        "QQ DMARC",
        phrase=r"\bDMARC check failed\b",
        says="QQ refuses the mail because DMARC does not pass",
        fix=AUTHENTICATE,
    ),
    Policy(
        "QQ content",
        phrase=r"\bmail content denied\b|\bcontent rejected\b|\bDT:SPM\b|\bMI:(?:SPB|STC)\b",
        says="QQ or NetEase (163, 126) think that the content is spam, or that there is too much of it",
        fix="look at the text and its links, send slower (max_per_hour), register your domain with their postmasters",
    ),
    Policy(
        "QQ sender",
        phrase=r"\bsuspected spam sender\b|\bsender frequency limited\b",
        says="QQ holds your domain or IP address for a sender of spam, or too fast",
        fix="send slower (max_per_hour), and register your domain with QQ's postmaster",
    ),
)
CONTENT = Policy(
    "content",
    says="the receiver refuses the content of the mail",
    fix="look at the text, the subject and the links of the issue; `mailer send test` to a mailbox there shows more",
)
BY_REPUTATION = Policy(
    "reputation",
    says="the receiver refuses mail from your domain or IP address because of its reputation",
    fix=REPUTATION,
)
OTHER = Policy(
    "other",
    says="the receiver's policy refuses the mail",
    fix="read what its server said: `mailer status SLUG --list bounced`; " + AUTHENTICATE,
)
BY_CLASS = {"reputation": BY_REPUTATION, "content": CONTENT}
BY_KEY = {policy.key: policy for policy in (*POLICIES, CONTENT, BY_REPUTATION, OTHER)}


def is_policy(codes: Iterable[str], details: Mapping[str, str]) -> bool:
    """Tell whether a bounce is because of us. A code of the class x.7.x wins over whatever else is said."""
    return _any_policy_code(codes) or _class(details) in BY_CLASS or _by_phrase_alone(_said(details)) is not None


def policy_of(codes: Iterable[str], details: Mapping[str, str]) -> Policy:
    """Return the reason of a bounce that is because of us."""
    codes, said = list(codes), _said(details)
    for policy in POLICIES:
        if policy.fits(codes, said):
            return policy
    return BY_CLASS.get(_class(details), OTHER)


def policy_named(key: str) -> Policy:
    """Return the policy of this key; a key that this version does not know is `other`."""
    return BY_KEY.get(key, OTHER)


def _any_policy_code(codes: Iterable[str]) -> bool:
    return any(code.startswith(("5.7.", "4.7.")) for code in codes)


def _class(details: Mapping[str, str]) -> str:
    return details.get("bounce_classification", "").strip().lower()


def _said(details: Mapping[str, str]) -> str:
    return " ".join(details.get(name, "") for name in ("reason", "response"))


def _by_phrase_alone(said: str) -> Policy | None:
    """Match the phrase without a code: Chinese receivers give no enhanced codes."""
    return next((policy for policy in POLICIES if not policy.codes and policy.fits((), said)), None)
