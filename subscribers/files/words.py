"""The words by which other services say who gets mail, in the languages that their exports are written in."""

from collections.abc import Mapping, Sequence

from subscribers.optin import STRENGTH

Verdict = tuple[str, str]  # state, suppressed because

HERE: Verdict = ("active", "")
LEFT: Verdict = ("unsubscribed", "")
BOUNCED: Verdict = ("active", "bounce")
COMPLAINED: Verdict = ("unsubscribed", "complaint")
# What the files of other services call it: (state, suppressed because); None: the row does not tell.
STATES: Mapping[str, Verdict | None] = {
    "active": HERE,
    "confirmed": HERE,
    "subscribed": HERE,
    "pending": ("pending", ""),
    "unconfirmed": ("pending", ""),
    "unsubscribed": LEFT,
    "bounced": BOUNCED,
    "cleaned": BOUNCED,
    "complained": COMPLAINED,
    # Buttondown
    "regular": HERE,
    "premium": HERE,
    "gifted": HERE,
    "trialed": HERE,
    "unpaid": HERE,
    "churning": HERE,
    "churned": HERE,
    "past_due": HERE,
    "unactivated": ("pending", ""),
    "removed": LEFT,
    "undeliverable": BOUNCED,
    # beehiiv
    "validating": ("pending", ""),
    "inactive": LEFT,
    "invalid": BOUNCED,
    # listmonk: "enabled" is no subscription, only somebody who is not blocked.
    "enabled": None,
    "disabled": LEFT,
    "blocklisted": ("unsubscribed", "manual"),
    "blacklisted": ("unsubscribed", "manual"),
    # Services in China
    "订阅": HERE,
    "已订阅": HERE,
    "已确认": HERE,
    "未确认": ("pending", ""),
    "待确认": ("pending", ""),
    "已退订": LEFT,
    "退订": LEFT,
    "取消订阅": LEFT,
    "退信": BOUNCED,
    "投诉": COMPLAINED,
}
STATE_ORDER = ("active", "pending", "unsubscribed")  # the later mails less
SUPPRESSED_ORDER = ("", *sorted(STRENGTH, key=lambda reason: STRENGTH[reason]))
YES = {"true", "1", "yes", "y", "t", "on", "x", "✓", "是"}
NO = {"false", "0", "no", "n", "f", "off", "否"}
AWAY = {"unsubscribed": LEFT, "bounced": BOUNCED, "complained": COMPLAINED}
NOTHING = {"null", "none", "nan", "n/a", "-", "\\n", "0000-00-00", "0000-00-00 00:00:00"}  # how databases write no day


def least(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all that is said, what mails least."""
    state = max((state for state, _ in verdicts), key=STATE_ORDER.index)
    return state, max((reason for _, reason in verdicts), key=SUPPRESSED_ORDER.index)


def is_leaving(verdict: Verdict) -> bool:
    return verdict[0] == "unsubscribed" or bool(verdict[1])
