"""Which column of a file says what: our own names, and those of the services that people come from.

Where the names come from: Mailchimp, Substack (email_list.csv) and beehiiv from the examples in TryGhost/migrate
(packages/mg-*-members*); Substack's dashboard export from its own column menu; Ghost from TryGhost/Ghost
(members-csv); listmonk from cmd/subscribers.go; Buttondown from docs.buttondown.com (api-subscribers-introduction).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# Field → headings that mean it, the better ones first. In lower case; `_` and `-` count as spaces.
NAMES: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "e mail", "email address", "e mail address", "subscriber email", "mail", "邮箱", "电子邮件"),
    "state": (
        "state",
        "status",
        "subscriber type",
        "email marketing status",
        "subscription status",
        "subscriber status",
        "email status",
        "状态",
        "订阅状态",
    ),
    "name": ("name", "full name", "姓名"),
    "first_name": ("first name", "firstname", "fname"),
    "last_name": ("last name", "lastname", "lname"),
    "language": ("language",),
    "newsletter": ("newsletter",),
    "suppressed": ("suppressed",),
    "requested_at": (
        "requested at",
        "optin time",
        "created at",
        "creation date",
        "start date",
        "subscription date",
        "subscribed at",
    ),
    "confirmed_at": ("confirmed at", "confirm time"),
    "unsubscribed_at": ("unsubscribed at", "unsub time", "unsubscription date", "unsubscribe date", "opt out date"),
    "suppressed_at": ("suppressed at", "clean time", "undeliverability date"),
    "source": ("source", "subscription source (free)", "acquisition source", "utm source", "referrer url"),
    "network": ("network", "confirm ip", "optin ip", "ip address"),
    "subscribed": (  # no: gets no mail
        "subscribed to emails",
        "subscribed",
        "is subscribed",
        "opted in",
        "opt in",
        "optin",
        "accepts email marketing",
        "accepts marketing",
        "是否订阅",
        "订阅",
    ),
    "disabled": ("email disabled",),  # yes: gets no mail; no: gets it
    # Yes, or the day. No does not tell that they ever agreed.
    "unsubscribed": (
        "unsub time",
        "deleted at",
        "unsubscribed",
        "is unsubscribed",
        "opted out",
        "opt out",
        "optout",
        "email opt out",
        "退订",
        "已退订",
        "是否退订",
    ),
    "bounced": ("clean time", "bounced", "is bounced", "hard bounced", "bounced at", "退信"),
    "complained": ("complained", "is complained", "投诉"),
    "left_because": ("unsub reason", "unsubscription reason"),
}
# What has a say in who gets mail. Of such columns all count, and of two that disagree the one that mails least.
STATES = ("state", "subscribed", "disabled", "unsubscribed", "bounced", "complained")
VOICES = (*STATES, "unsubscribed_at", "suppressed", "left_because")
# The columns that we put before those of rejected rows; nothing else reads them.
REJECTED_LINE, REJECTED_BECAUSE = "rejected line", "rejected because"
_SOUNDS_LIKE_CONSENT = re.compile(
    r"subscri|\bopt|unsub|bounce|status|state|consent|complain|\bactive\b|状态|订阅|退订|狀態|訂閱|退訂"
)
# They do sound like it. Substack's says who pays; Mailchimp's, more of an unsubscription that is read.
_HARMLESS = {"active subscription", "unsub campaign title", "unsub campaign id", "unsub reason other"}


class HeadingError(ValueError):
    """The columns do not say what we need; the message is the reason, and what to do."""


@dataclass(frozen=True)
class Columns:
    heading: tuple[str, ...]
    fields: tuple[str, ...]  # `state`, and for a further column of that field `state 2`
    places: tuple[int, ...]  # where each field stands
    voices: tuple[tuple[str, str], ...] = ()  # (what it is, field) of each that has a say in who gets mail
    whole: str = ""  # the state of every row, where headings and the file's name tell it
    only_a_word: bool = False  # one column tells the state, and nothing else has a say in it

    @property
    def says_state(self) -> bool:
        return bool(self.whole) or any(kind in STATES for kind, _ in self.voices)

    @property
    def speaking(self) -> frozenset[str]:
        """The fields that have a say in who gets mail."""
        return frozenset(field for _, field in self.voices)

    @property
    def read(self) -> tuple[tuple[str, str], ...]:
        """(heading, the field it was read as), in the file's order."""
        pairs = sorted(zip(self.places, self.fields, strict=True))
        return tuple((printable(self.heading[place]), field.partition(" ")[0]) for place, field in pairs)

    @property
    def not_read(self) -> tuple[str, ...]:
        return tuple(map(printable, self._not_read()))

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Columns that were not read, though their headings sound as if they told who gets mail."""
        known = _HARMLESS | {name for field, names in NAMES.items() if field not in VOICES for name in names}
        unread = [(name, _plain(name)) for name in self._not_read()]
        return tuple(
            printable(name) for name, plain in unread if _SOUNDS_LIKE_CONSENT.search(plain) and plain not in known
        )

    @property
    def also_email(self) -> tuple[str, ...]:
        """Columns that could be the address too, and were not read."""
        return tuple(printable(name) for name in self._not_read() if _plain(name) in NAMES["email"])

    def _not_read(self) -> Iterator[str]:
        read, ours = set(self.places), (REJECTED_LINE, REJECTED_BECAUSE)
        for place, name in enumerate(self.heading):
            if place not in read and name.strip() and _plain(name) not in ours:
                yield name


def recognise(heading: Sequence[str], chosen: Mapping[str, str], file_name: str) -> Columns:
    """The place of each field that the heading names. `chosen` (field → heading) goes first. Raises HeadingError."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(map(_plain, heading)):
        places.setdefault(name, []).append(place)
    found = {field: there for field in NAMES if (there := [p for name in NAMES[field] for p in places.get(name, ())])}
    # Buttondown's `type` tells who gets mail; Substack's, who pays.
    if "state" not in found and "type" in places and "creation date" in places:
        found["state"] = places["type"]
    found |= {field: [_chosen(field, name, places, heading)] for field, name in chosen.items()}
    if "email" not in found:
        raise HeadingError(
            f"the first line must name the columns, one of them email: none of the columns is email; "
            f"there {_listed(heading)}. --map email=COLUMN says which it is."
        )
    columns = dict(_numbered(found))
    voices = tuple((kind, field) for field in columns if (kind := field.partition(" ")[0]) in VOICES)
    whole = _whole("state" in found, places, file_name)
    only_a_word = not whole and voices == (("state", "state"),)
    return Columns(tuple(heading), tuple(columns), tuple(columns.values()), voices, whole, only_a_word)


def _numbered(found: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
    """Each field with its place; of a field that has a say in who gets mail, every column."""
    for field, places in found.items():
        yield field, places[0]
        if field in VOICES:
            yield from ((f"{field} {number}", place) for number, place in enumerate(places[1:], start=2))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def is_ours(name: str) -> bool:
    """Whether this column was put there by an earlier import, to say what is wrong with the row."""
    return _plain(name) in (REJECTED_LINE, REJECTED_BECAUSE)


def _chosen(field: str, name: str, places: Mapping[str, Sequence[int]], heading: Iterable[str]) -> int:
    if field not in NAMES:
        raise HeadingError(f"--map {field}={name}: {field} is no field; known are {', '.join(NAMES)}.")
    if _plain(name) not in places:
        raise HeadingError(f"--map {field}={name}: there is no such column; there {_listed(heading)}.")
    return places[_plain(name)][0]


def _listed(heading: Iterable[str]) -> str:
    names = ", ".join(printable(name) for name in heading if name.strip() and "@" not in name)[:200]
    return f"are {names}" if names else "are none with a name"


def printable(name: str) -> str:
    """A heading or a cell as a terminal may show it."""
    return "".join(character if character.isprintable() else "?" for character in name.strip())[:60]


def _whole(has_state: bool, places: Mapping[str, object], file_name: str) -> str:
    """Mailchimp's files have no state column: each is one state, told by its columns or its name."""
    name = file_name.lower()
    if name.startswith(("nonsubscribed", "non-subscribed", "non_subscribed", "non subscribed")):
        raise HeadingError(
            "by its name this is Mailchimp's list of people who never asked for mail (nonsubscribed_…csv), so nothing "
            "was imported; leave this file out."
        )
    if name.startswith("unsubscribed"):
        return "unsubscribed"
    if has_state or "member rating" not in places or {"unsub time", "clean time"} <= places.keys():
        return ""
    if "unsub time" in places:
        return "unsubscribed"
    if "clean time" in places or name.startswith("cleaned"):
        return "cleaned"
    return "subscribed" if name.startswith("subscribed") else ""
