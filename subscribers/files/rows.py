"""One row of a file, whoever wrote it, as what it makes of a reader. Where cells disagree, what mails least counts."""

from collections.abc import Sequence

from subscribers.addresses import clean_name, is_language_code, parse
from subscribers.files.claims import claims, moment
from subscribers.files.csv_records import formula_restored
from subscribers.files.headings import Columns
from subscribers.models import Suppression
from subscribers.optin import STRENGTH
from subscribers.records import Newcomer

LEFT = ("unsubscribed", "")
# What the files of other services call it: (state, suppressed because); None: the row does not tell.
STATES: dict[str, tuple[str, str] | None] = {
    "active": ("active", ""),
    "confirmed": ("active", ""),
    "subscribed": ("active", ""),
    "pending": ("pending", ""),
    "unconfirmed": ("pending", ""),
    "unsubscribed": LEFT,
    "bounced": ("active", "bounce"),
    "cleaned": ("active", "bounce"),
    "complained": ("unsubscribed", "complaint"),
    # Buttondown
    "regular": ("active", ""),
    "premium": ("active", ""),
    "gifted": ("active", ""),
    "trialed": ("active", ""),
    "unpaid": ("active", ""),
    "churning": ("active", ""),
    "churned": ("active", ""),
    "past_due": ("active", ""),
    "unactivated": ("pending", ""),
    "removed": LEFT,
    "undeliverable": ("active", "bounce"),
    # beehiiv
    "validating": ("pending", ""),
    "inactive": LEFT,
    "invalid": ("active", "bounce"),
    # listmonk: "enabled" is no subscription, only somebody who is not blocked.
    "enabled": None,
    "disabled": LEFT,
    "blocklisted": ("unsubscribed", "manual"),
    "blacklisted": ("unsubscribed", "manual"),
}
STATE_ORDER = ("active", "pending", "unsubscribed")  # the later mails less
SUPPRESSED_ORDER = ("", *sorted(STRENGTH, key=lambda reason: STRENGTH[reason]))
YES, NO = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}


class BadRow(ValueError):
    """The row makes no reader; the message is the reason."""


def newcomer(cells: Sequence[str], columns: Columns, default_state: str | None, newsletter: str) -> Newcomer:
    """The reader of a row. Raises BadRow, AddressError."""
    if len(cells) > columns.count and any(cell.strip() for cell in cells[columns.count :]):
        raise BadRow(f"the row has {len(cells)} columns, the heading {columns.count}")
    values = _values(cells, columns)
    if (other := values.get("newsletter")) and other != newsletter:
        raise BadRow(f"the row is for the newsletter {other[:64]!r}; this import is for {newsletter!r}")
    address = parse(values.get("email", ""))
    state, suppressed = _state(values, columns, default_state)
    return Newcomer(address, state, _name(values), _language(values), suppressed, claims(values, state))


def _values(cells: Sequence[str], columns: Columns) -> dict[str, str]:
    """The cells by field. Short rows lack the last fields."""
    if len(cells) < columns.count:
        cells = [*cells, *[""] * (columns.count - len(cells))]
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


def _state(values: dict[str, str], columns: Columns, default_state: str | None) -> tuple[str, str]:
    word = _by_word(values.get("state") or columns.whole)
    if word and columns.only_a_word:
        return word
    told = [word]
    if columns.has_switches:
        told += _by_switches(values)
    known = [one for one in told if one]
    if not known:
        if default_state is None:
            raise BadRow("the row does not say the reader's state; add it, or import with --state")
        known = [(default_state, "")]
    known += _by_dates(values)
    known.append((known[0][0], _suppressed(values)))
    if len(set(known)) == 1:
        return known[0]
    state = max((state for state, _ in known), key=STATE_ORDER.index)
    return state, max((reason for _, reason in known), key=SUPPRESSED_ORDER.index)


def _by_word(said: str) -> tuple[str, str] | None:
    if not said:
        return None
    word = said.lower()
    if word not in STATES:
        raise BadRow(f"state is {said[:40]!r}; known are {', '.join(STATES)}")
    return STATES[word]


def _by_switches(values: dict[str, str]) -> list[tuple[str, str] | None]:
    """Ghost and Substack say only who gets mail."""
    found: list[tuple[str, str] | None] = []
    for field, stays in (("on", YES), ("off", NO)):
        said = values.get(field, "").lower()
        if said and said not in YES | NO:
            raise BadRow(f"whether they get mail is {said[:40]!r}; write true or false")
        if said:
            found.append(("active", "") if said in stays else LEFT)
    if values.get("deleted_at"):
        found.append(LEFT)
    if values.get("left_at"):
        found.append(LEFT)
    if values.get("bounced_at"):
        found.append(("active", "bounce"))
    return found


def _by_dates(values: dict[str, str]) -> list[tuple[str, str]]:
    """Somebody who left later than they came has left, whatever their state says."""
    said = values.get("unsubscribed_at")
    if not said:
        return []
    left = moment(said)
    if left is None:
        return [] if values.get("confirmed_at") else [LEFT]
    came = [at for name in ("requested_at", "confirmed_at") if (at := moment(values.get(name, "")))]
    return [LEFT] if all(at < left for at in came) else []


def _suppressed(values: dict[str, str]) -> str:
    said = values.get("suppressed", "").lower()
    if said and said not in Suppression.Reason.values:
        raise BadRow(f"suppressed is {said[:40]!r}; known are {', '.join(Suppression.Reason.values)}")
    because = values.get("left_because", "").lower()
    if "abuse" in because or "spam" in because:
        return "complaint"
    return said
