import pytest

from mailer.providers.events import Meaning
from mailer.providers.policies import POLICIES, policy_named, policy_of
from mailer.providers.sendgrid.bounces import bounce_of, meaning
from mailer.providers.sendgrid.webhook import neutral

GONE = ["5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1", "5.4.1"]


@pytest.mark.parametrize("status", GONE)
def test_a_code_that_says_nobody_is_there_is_hard(status):
    assert meaning("bounced", {"type": "bounce", "status": status}) is Meaning.HARD
    assert meaning("bounced", {"type": "bounced", "status": status}) is Meaning.HARD
    assert meaning("bounced", {"type": "bounce", "reason": f"550 {status} <a@b.example>: gone"}) is Meaning.HARD
    assert meaning("bounced", {"type": "bounce", "status": "5.0.0", "reason": f"550 {status} gone"}) is Meaning.HARD
    assert meaning("bounced", {"type": "blocked", "status": status}) is Meaning.SOFT


@pytest.mark.parametrize("classification", ["Invalid Address", "invalid", " invalid address "])
@pytest.mark.parametrize("status", ["", "5.0.0", "5.5.0", "5.2.2", "4.2.2", "5.4.4"])
def test_an_invalid_address_is_hard_whatever_its_code(classification, status):
    details = {"type": "bounce", "status": status, "bounce_classification": classification}
    assert meaning("bounced", details) is Meaning.HARD
    assert meaning("bounced", details | {"type": "bounced"}) is Meaning.HARD


@pytest.mark.parametrize("classification", ["Technical", "Mailbox Unavailable", "Frequency/Volume"])
def test_another_classification_wins_over_the_code(classification):
    details = {"type": "bounce", "status": "5.1.1", "bounce_classification": classification}
    assert meaning("bounced", details) is Meaning.SOFT
    assert meaning("bounced", details | {"bounce_classification": "Unclassified"}) is Meaning.HARD


NOBODY = [
    # Microsoft 365, outlook.com
    "550 5.4.1 Recipient address rejected: Access denied. [CY4PEPF0000EE3C.namprd03.prod.outlook.com 2023-09-18]",
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [HE1EUR01FT020.eop-EUR01.prod]",
    "550 Requested action not taken: mailbox unavailable",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@b.example not found by SMTP address lookup",
    # Gmail, Yahoo
    "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address",
    "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [-5] - mta155.mail",
    "554 delivery error: dd Not a valid recipient - atlas117.free.mail",
    # QQ, NetEase, Coremail, eyou, Sina
    "550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000728",
    "550 User not found: 12345@163.com",
    "550 RC:LD The email account that you tried to reach does no exists.",
    "550 #2175041 unavailable mail user",
    "550 abcd:user not exist",
    "550 Local User [xxx@123.com] not found.",
    "551 recipient is not exist",
    "550 该用户不存在",
    # Postfix, Exim, Sendmail, qmail
    "550 <spam@full.example>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 Recipient address rejected: User unknown in relay recipient table",
    "550 Unknown user",
    "550 no such user here",
    "550 unknown or illegal alias: a@b.example",
    "550 Invalid recipient <a@b.example>",
    "550 sorry, no mailbox here by that name.",
    "550 address unknown",
    "550 Addressee unknown",
]


@pytest.mark.parametrize("said", NOBODY)
def test_a_server_text_that_says_no_such_user_decides_if_the_code_does_not(said):
    for status in ("", "5.0.0", "5.5.0", "550"):
        assert meaning("bounced", {"type": "bounce", "status": status, "reason": said}) is Meaning.HARD
    assert meaning("bounced", {"type": "blocked", "reason": said}) is Meaning.SOFT
    # A clear code wins over words.
    assert meaning("bounced", {"type": "bounce", "status": "4.2.2", "reason": said}) is Meaning.SOFT
    assert meaning("bounced", {"type": "bounce", "status": "5.2.2", "reason": said}) is Meaning.SOFT


@pytest.mark.parametrize(
    "said",
    [
        "550 Mailbox unavailable or access denied",  # QQ: too much for this recipient just now
        "550 Mail is rejected by recipients",
        "552 mailbox full",
        "552 5.5.0 user over quota, account not found in the list of exceptions",
        "550 Sender address rejected: Domain not found",
        "554 Recipient address rejected: blocked by user",
        "450 User unknown, greylisted",
        "450 no such user",
        "550 5.0.0 Service unavailable",
        "550 Administrative prohibition",
        "550 This account has been temporarily suspended, user unknown",
        "connection timed out",
        "",
    ],
)
def test_a_server_text_that_says_something_else_stays_soft(said):
    for status in ("", "5.0.0", "5.5.0"):
        assert meaning("bounced", {"type": "bounce", "status": status, "reason": said}) is Meaning.SOFT


@pytest.mark.parametrize(
    "details",
    [
        {"type": "bounce", "status": "5.2.2"},
        {"type": "bounce", "status": "4.2.2"},
        {"type": "blocked", "status": "5.0.0", "bounce_classification": "Mailbox Unavailable"},
        {"type": "bounce", "status": "5.1.11"},
        {"type": "bounce", "reason": "550 rejected by 5.1.1.20"},
        {"type": "blocked", "bounce_classification": "Invalid Address"},
        {"type": "bounce"},
        {},
    ],
)
def test_not_now_or_not_clear(details):
    assert meaning("bounced", details) is Meaning.SOFT


@pytest.mark.parametrize(
    "details",
    [
        {"type": "bounce", "status": "5.7.1"},
        {"type": "blocked", "status": "4.7.0"},
        {"type": "blocked", "reason": "550 5.7.26 unauthenticated mail"},
        {"type": "bounce", "status": "5.1.1", "bounce_classification": "Reputation"},
        {"type": "blocked", "status": "5.0.0", "bounce_classification": "Content"},
        # A policy code wins over everything, wherever it stands.
        {"type": "bounce", "status": "5.7.1", "bounce_classification": "Invalid Address"},
        {"type": "bounce", "status": "5.0.0", "reason": "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"},
        {"type": "bounce", "status": "5.1.1", "reason": "550-5.7.26 unauthenticated; user unknown"},
        {"type": "bounce", "status": "5.0.0", "reason": "550 Mail content denied. http://service.exmail.qq.com/"},
        {"type": "blocked", "reason": "554 DT:SPM 163 smtp5,D9GowABnf"},
    ],
)
def test_our_own_fault(details):
    assert meaning("bounced", details) is Meaning.POLICY


@pytest.mark.parametrize(
    ("said", "key", "says"),
    [
        ("550 5.7.515 Access denied, sending domain x.example does not meet the required", "5.7.515", "May 2025"),
        ("550-5.7.26 This mail has been blocked because the sender is unauthenticated.", "5.7.26", "SPF nor DKIM"),
        ("421-4.7.27 Your email has been rate limited because SPF authentication didn't pass", "5.7.27", "SPF"),
        ("421-4.7.28 Gmail has detected an unusual rate of mail", "5.7.28", "unusual rate"),
        ("550-5.7.29 sent without TLS", "5.7.29", "TLS"),
        ("550-5.7.30 This mail has been blocked because DKIM does not pass", "5.7.30", "DKIM"),
        ("550 5.7.23 The message was rejected because of Sender Policy Framework violation", "5.7.23", "SPF"),
        ("550 5.7.509 Access denied, sending domain does not pass DMARC verification", "5.7.509", "DMARC"),
        ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "5.7.606", "banned"),
        ("550 5.7.633 Access denied, banned sending IP [192.0.2.1]", "5.7.606", "banned"),
        ("451 4.7.650 The mail server has been temporarily rate limited", "4.7.650", "reputation"),
        ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3150).", "5.7.1 S3150", "block list"),
        ("550-5.7.1 very low reputation of the sending domain", "5.7.1 reputation", "spam"),
        ("554 5.7.9 Message not accepted for policy reasons", "5.7.9", "Yahoo"),
        ("554 5.7.1 listed at zen.spamhaus.org", "5.7.1 blocklist", "block list"),
        ("550 5.7.133 sender not authenticated for group", "other", "policy"),
        ("550 Mail content denied", "QQ content", "content"),
    ],
)
def test_a_refusal_of_us_says_what_it_is_and_what_to_do(said, key, says):
    details = {"type": "blocked", "reason": said}
    found = policy_of(bounce_of(details))
    assert found.key == key
    assert says in found.says
    assert found.fix
    assert policy_named(key) is found


def test_the_classification_says_it_where_no_code_does():
    for classification in ("Reputation", "Content"):
        details = {"type": "blocked", "status": "5.0.0", "bounce_classification": classification}
        assert policy_of(bounce_of(details)).key == classification.lower()


def test_a_policy_of_a_later_version_is_still_shown():
    assert policy_named("9.9.9").key == "other"


def test_each_policy_has_a_key_of_its_own_that_the_database_can_hold():
    keys = [policy.key for policy in POLICIES]
    assert len(set(keys)) == len(keys)
    assert all(len(key) <= 32 for key in keys)


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("Bounced Address", Meaning.HARD),
        ("Invalid", Meaning.HARD),
        ("Spam Reporting Address", Meaning.COMPLAINT),
        ("Unsubscribed Address", Meaning.LEFT),
        ("Invalid SMTPAPI header", Meaning.NOTHING),
        ("Recipient List over Package Quota", Meaning.NOTHING),
    ],
)
def test_what_a_drop_means_its_reason_says(reason, found):
    assert meaning("dropped", {"reason": reason}) is found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("spamreport", Meaning.COMPLAINT),
        ("unsubscribe", Meaning.LEFT),
        ("group_unsubscribe", Meaning.LEFT),
        ("group_resubscribe", Meaning.NOTHING),
        ("delivered", Meaning.NOTHING),
    ],
)
def test_what_other_kinds_mean(kind, found):
    assert meaning(neutral(kind), {}) is found
