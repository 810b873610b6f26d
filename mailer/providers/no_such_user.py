"""Phrases of mail servers for an address that does not exist: for bounces whose code does not say so.

Sources: the lists of Sisimai (Sisimai::Reason::UserUnknown) and node-bounce-handler; for Microsoft
https://www.spamresource.com/2023/09/microsoft-multiple-types-of-invalid.html; for QQ https://smtp.codes/qq; for NetEase
and Coremail https://www.dbmailserver.com/tui-xin-address-not-exist.htm.
"""

import re

_WHO = r"(?:user|recipient|account|mailbox|mail ?box|address|addressee|alias)"
_KIND = r"(?:e-?mail|mail|local|virtual|illegal|valid|such|recipient|destination|or)"

_PATTERNS = (
    # Postfix "User unknown in virtual mailbox table", QQ "Mailbox not found", NetEase "User not found: …",
    # Gmail "The email account that you tried to reach does not exist", Coremail "user not exist"
    rf"\b{_WHO}\b.{{0,80}}?\b(?:unknown|not (?:be )?(?:found|known)|(?:(?:do|does|is) )?not? exists?|doesn'?t exist)\b",
    # Exim "Unrouteable address" does not say it; Sendmail "No such user here", "unknown or illegal alias"
    rf"\b(?:no such|unknown|non-?existent) (?:{_KIND} )*{_WHO}\b",
    rf"\binvalid (?:{_KIND} )*(?:user|recipient|account|mailbox|alias)\b",
    rf"\bnot a (?:known|valid|local) (?:{_KIND} )*{_WHO}\b",
    # Microsoft 365, of a directory that does not list the address
    r"\brecipient address rejected: (?:access denied|undeliverable)",
    r"\bresolver\.adr\.recip(?:ient)?notfound\b",
    # outlook.com and hotmail.com; QQ's "Mailbox unavailable or access denied" is a limit, and another sentence
    r"\brequested action not taken: mailbox unavailable(?! or access denied)",
    # Yahoo
    r"\buser doesn'?t have an? \S+ account\b",
    # Coremail, qmail, Lotus
    r"\bunavailable mail user\b",
    r"\bno (?:mailbox|account|one|person) (?:here by that name|by that name|at this address|with that e-?mail address)",
    r"\bno mail ?box available for this user\b",
    r"(?:用户|收件人|邮箱|账号|帐号|地址)\S{0,8}不存在|未开通\S{0,6}邮箱",
)
_NOBODY = re.compile("|".join(_PATTERNS), re.IGNORECASE)

# A sentence with one of these is about something else, or more: nothing is concluded from it.
_OTHER_MATTERS = re.compile(
    r"\b(?:senders?|mail from|over ?quota|quota|full|storage|spam\w*|block\w*|blacklist\w*|polic\w+|gr[ea]ylist\w*|"
    r"temporar\w+|later|rate|limit\w*|reputation|dmarc|spf|dkim|suspended|verify)\b",
    re.IGNORECASE,
)
_ADDRESSES_AND_LINKS = re.compile(r"(?<!\S)\S*@\S*|\b\w+://\S+")
_FOR_NOW = re.compile(r"\s*4\d\d\b")


def says_no_such_user(reason: str) -> bool:
    """Tell whether a server's answer says that the user or mailbox does not exist."""
    said = _ADDRESSES_AND_LINKS.sub(" ", reason)
    return bool(_NOBODY.search(said)) and not _OTHER_MATTERS.search(said) and not _FOR_NOW.match(reason)
