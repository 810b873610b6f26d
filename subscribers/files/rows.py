"""One row of a file, whoever wrote it, as what it makes of a reader. Where cells disagree, what mails least counts."""

import re
from collections.abc import Sequence

from subscribers.addresses import clean_name, is_language_code, parse
from subscribers.files.claims import Dates, claims, moment
from subscribers.files.csv_records import formula_restored
from subscribers.files.headings import Columns
from subscribers.models import Suppression
from subscribers.optin import STRENGTH
from subscribers.records import Newcomer

Verdict = tuple[str, str]  # state, suppressed because

HERE: Verdict = ("active", "")
LEFT: Verdict = ("unsubscribed", "")
BOUNCED: Verdict = ("active", "bounce")
COMPLAINED: Verdict = ("unsubscribed", "complaint")
# What the files of other services call it: (state, suppressed because); None: the row does not tell.
STATES: dict[str, Verdict | None] = {
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
_A_DAY = re.compile(r"\d{2}")  # in whatever order: enough to know that there is one


class BadRow(ValueError):
    """The row makes no reader; the message is the reason."""


class UnknownState(BadRow):
    """The word for the state is none of `STATES`."""


def newcomer(
    cells: Sequence[str], columns: Columns, default_state: str | None, newsletter: str, dates: Dates
) -> Newcomer:
    """The reader of a row. Raises BadRow, AddressError."""
    count = len(columns.heading)
    if len(cells) > count and any(cell.strip() for cell in cells[count:]):
        raise BadRow(f"the row has {len(cells)} columns, the heading {count}")
    values = _values(cells, columns)
    if (other := values.get("newsletter")) and other != newsletter:
        raise BadRow(f"the row is for the newsletter {other[:64]!r}; this import is for {newsletter!r}")
    address = parse(values.get("email", ""))
    state, suppressed = _state(values, columns, default_state, dates)
    if "state 2" in values:
        values["state"] = " / ".join(values[field] for kind, field in columns.voices if kind == "state")
    return Newcomer(address, state, _name(values), _language(values), suppressed, claims(values, state, dates))


def _values(cells: Sequence[str], columns: Columns) -> dict[str, str]:
    """The cells by field. Short rows lack the last fields."""
    if len(cells) < len(columns.heading):
        cells = [*cells, *[""] * (len(columns.heading) - len(cells))]
    values = dict(zip(columns.fields, [cells[place].strip() for place in columns.places], strict=True))
    if "'" in ",".join(values.values()):
        return {field: formula_restored(text).strip() for field, text in values.items()}
    return values


def _name(values: dict[str, str]) -> str:
    return clean_name(values.get("name") or f"{values.get('first_name', '')} {values.get('last_name', '')}")


def _language(values: dict[str, str]) -> str:
    language = values.get("language", "")
    if language and not is_language_code(language):
        raise BadRow(f"language is {language[:40]!r}; write a code such as en or zh-hans, or nothing")
    return language


def _state(values: dict[str, str], columns: Columns, default_state: str | None, dates: Dates) -> Verdict:
    if columns.only_a_word and (word := _by_word(values["state"])):
        return word
    said = [(kind, text) for kind, field in columns.voices if (text := values[field])]
    here = [_by_word(columns.whole), *(_here(kind, text) for kind, text in said)]
    away = [_away(kind, text, values, dates) for kind, text in said]
    known = [verdict for verdict in (*here, *away) if verdict]
    if not any(here):
        known += _by_default(default_state, values, gone=bool(known))
    if len(known) == 1:
        return known[0]
    state = max((state for state, _ in known), key=STATE_ORDER.index)
    return state, max((reason for _, reason in known), key=SUPPRESSED_ORDER.index)


def _by_default(default_state: str | None, values: dict[str, str], gone: bool) -> list[Verdict]:
    """The state of a row of which no cell says that its reader is here."""
    if not gone and values.get("subscribed") == "":
        # A tick that nobody made: that others are ticked is why the column is there.
        raise BadRow("whether they are subscribed is left empty; write yes or no")
    if default_state is None and not gone:
        raise BadRow("the row does not say the reader's state; add it, or import with --state")
    return [(default_state, "")] if default_state else []


def _here(kind: str, said: str) -> Verdict | None:
    """What a column says that can say of readers that they are here."""
    if kind == "state":
        return _by_word(said)
    if kind not in ("subscribed", "disabled"):
        return None
    word = said.lower()
    if word in STATES:
        return STATES[word]
    yes = word in YES or moment(said) is not None  # the day on which they did it
    if not yes and word not in NO:
        raise BadRow(f"whether they get mail is {said[:40]!r}; write yes or no")
    return HERE if yes == (kind == "subscribed") else LEFT


def _by_word(said: str) -> Verdict | None:
    if not said:
        return None
    word = said.lower()
    if word not in STATES:
        raise UnknownState(f"state is {said[:40]!r}, which is no state that we know")
    return STATES[word]


def _away(kind: str, said: str, values: dict[str, str], dates: Dates) -> Verdict | None:
    """What a column says that can only say of readers that they are gone."""
    if said.lower() in NOTHING:
        return None
    if kind in AWAY:
        return _by_switch(kind, said)
    if kind == "unsubscribed_at":
        return _by_date(said, values, dates)
    if kind == "suppressed":
        if said.lower() not in Suppression.Reason.values:
            raise BadRow(f"suppressed is {said[:40]!r}; known are {', '.join(Suppression.Reason.values)}")
        return ("active", said.lower())
    if kind == "left_because" and ("abuse" in said.lower() or "spam" in said.lower()):
        return COMPLAINED
    return None


def _by_switch(kind: str, said: str) -> Verdict | None:
    word = said.lower()
    if word in NO:
        return None
    if word in STATES:
        return STATES[word] if STATES[word] in AWAY.values() else None
    if word not in YES and not _A_DAY.search(word):
        raise BadRow(f"whether they are {kind} is {said[:40]!r}; write yes or no")
    return AWAY[kind]


def _by_date(said: str, values: dict[str, str], dates: Dates) -> Verdict | None:
    """Who left later than they came has left, whatever their state says; and so has who left we cannot read when."""
    left = moment(said)
    came = [at for name in ("requested_at", "confirmed_at") if (at := dates.past(values.get(name, "")))]
    return None if left and any(at >= left for at in came) else LEFT
