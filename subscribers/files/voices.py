"""Understand what one column says about who gets mail: in words, by yes and no, or by a day."""

import re
from collections.abc import Mapping

from subscribers.files.stated_consent import Dates, time_of
from subscribers.files.words import (
    ASKED,
    AWAY,
    BLOCKED,
    BOUNCED,
    COMPLAINED,
    DO_NOT_CONTACT,
    HERE,
    LEFT,
    NOTHING,
    NUMBERS,
    UnknownWord,
    Verdict,
    folded,
    is_leaving,
    is_no,
    is_yes,
    state_of,
)
from subscribers.models import Suppression

_A_DAY = re.compile(r"\d{2}")  # in any order: enough to know that there is one
_SWITCHES = AWAY | {"do_not_mail": LEFT}
Mapped = Mapping[str, Verdict]  # what an operator said words mean, in lower case


class BadRow(ValueError):
    """The row does not make a newcomer; the message is the reason."""


class UnknownState(BadRow):
    """It is unknown what the word says about who gets mail."""

    def __init__(self, message: str, word: str) -> None:
        super().__init__(message)
        self.word = word


def here(kind: str, said: str, mapped: Mapped) -> Verdict | None:
    """Return what a column says that can say that people are here. Raises UnknownState."""
    if kind == "state":
        return by_word(said, mapped)
    if kind not in ("subscribed", "permission", "disabled"):
        return None
    word = said.lower()
    if word in mapped:
        return mapped[word]
    if is_yes(word) or time_of(said) is not None:  # the day on which they did it
        return LEFT if kind == "disabled" else HERE
    if is_no(word):
        return HERE if kind == "disabled" else LEFT
    try:
        return state_of(word)
    except UnknownWord:
        raise UnknownState(f"the permission for email is {said[:40]!r}; write yes or no", said) from None


def by_word(said: str, mapped: Mapped) -> Verdict | None:
    """Return what the word for a state says; None if it says nothing about mail. Raises UnknownState."""
    word = said.lower()
    if word in mapped:
        return mapped[word]
    if not word or word in NOTHING:
        return None
    if word in NUMBERS:
        return NUMBERS[word]
    try:
        return state_of(word)
    except UnknownWord:
        raise UnknownState(f"state is {said[:40]!r}, which is not a known state", said) from None


def away(kind: str, said: str, values: dict[str, str], dates: Dates, mapped: Mapped) -> Verdict | None:
    """Return what a column says that can only say that people are gone. Raises UnknownState."""
    word = said.lower()
    if word in NOTHING:
        return None
    if word in mapped and kind in (*_SWITCHES, "suppressed"):
        return mapped[word]
    if kind in _SWITCHES:
        return _by_switch(kind, said)
    if kind == "bounce_reason":
        return None if is_no(word) else BOUNCED
    if kind == "double_optin":
        return ASKED if is_no(word) or word == "2" else None
    if kind == "dnc_channel":
        return LEFT if "mail" in word else None
    if kind == "role":
        return LEFT if folded(word) == "nonmember" else None
    if kind == "unsubscribed_at":
        return _by_date(said, values, dates)
    if kind == "suppressed":
        if is_yes(word) or is_no(word):
            return BLOCKED if is_yes(word) else None
        if word not in Suppression.Reason.values:
            known = ", ".join(Suppression.Reason.values)
            raise UnknownState(f"suppressed is {said[:40]!r}; known values are {known}", said)
        return ("active", word)
    if kind == "left_because" and ("abuse" in word or "spam" in word):
        return COMPLAINED
    return None


def _by_switch(kind: str, said: str) -> Verdict | None:
    word = said.lower()
    if kind == "do_not_mail" and word in DO_NOT_CONTACT:
        return DO_NOT_CONTACT[word]
    if is_no(word):
        return None
    if is_yes(word) or _A_DAY.search(word):
        return _SWITCHES[kind]
    try:
        verdict = state_of(word)
    except UnknownWord:
        raise UnknownState(f"whether they are {kind} is {said[:40]!r}; write yes or no", said) from None
    return verdict if verdict and is_leaving(verdict) else None


def _by_date(said: str, values: dict[str, str], dates: Dates) -> Verdict | None:
    """Return LEFT for a leaving later than their coming, or one whose date cannot be read, whatever the state says."""
    left = time_of(said)
    came = [at for name in ("requested_at", "confirmed_at") if (at := dates.past(values.get(name, "")))]
    return None if left and any(at >= left for at in came) else LEFT
