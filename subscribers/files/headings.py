"""Which column of a file says what: our own names, and those of the services that people come from.

Where the names come from: Mailchimp, Substack (email_list.csv) and beehiiv from the examples in TryGhost/migrate
(packages/mg-*-members*); Substack's dashboard export from its own column menu; Ghost from TryGhost/Ghost
(members-csv); listmonk from cmd/subscribers.go; Buttondown from docs.buttondown.com (api-subscribers-introduction).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Field → headings that mean it, the better ones first. In lower case; `_` and `-` count as spaces.
NAMES: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "e mail", "email address", "e mail address", "subscriber email", "mail", "邮箱", "电子邮件"),
    "state": ("state", "status", "subscriber type", "email marketing status", "subscription status"),
    "name": ("name", "full name", "姓名"),
    "first_name": ("first name", "firstname", "fname"),
    "last_name": ("last name", "lastname", "lname"),
    "language": ("language",),
    "newsletter": ("newsletter",),
    "suppressed": ("suppressed",),
    "requested_at": ("requested at", "optin time", "created at", "creation date", "start date", "subscription date"),
    "confirmed_at": ("confirmed at", "confirm time"),
    "unsubscribed_at": ("unsubscribed at", "unsub time", "unsubscription date"),
    "suppressed_at": ("suppressed at", "clean time", "undeliverability date"),
    "source": ("source", "subscription source (free)", "acquisition source", "utm source", "referrer url"),
    "network": ("network", "confirm ip", "optin ip", "ip address"),
    "off": ("email disabled",),  # true: gets no mail
    "on": ("subscribed to emails",),  # false: gets no mail
    "deleted_at": ("deleted at",),
    "left_because": ("unsub reason", "unsubscription reason"),
    "bounced_at": ("clean time",),
    "left_at": ("unsub time",),
}
SWITCHES = {"off", "on", "deleted_at", "bounced_at", "left_at"}
MORE = {"suppressed", "left_because", "unsubscribed_at"}
MAPPABLE = tuple(NAMES)[: tuple(NAMES).index("off")]


class HeadingError(ValueError):
    """The columns do not say what we need; the message is the reason."""


@dataclass(frozen=True)
class Columns:
    count: int
    fields: tuple[str, ...]
    places: tuple[int, ...]  # where each field stands
    whole: str = ""  # the state of every row, where headings and the file's name tell it

    has_switches: bool = False  # columns that say by yes, no or a date who gets mail
    only_a_word: bool = False  # one column tells the state, and nothing else has a say in it
    says_state: bool = False


def recognise(heading: Sequence[str], chosen: Mapping[str, str], file_name: str) -> Columns:
    """The place of each field that the heading names. `chosen` (field → heading) goes first. Raises HeadingError."""
    places: dict[str, int] = {}
    for place, name in reversed(list(enumerate(map(_plain, heading)))):
        places[name] = place  # of two columns with one name, the first
    found = {field: places[names[0]] for field in NAMES if (names := [n for n in NAMES[field] if n in places])}
    # Buttondown's `type` tells who gets mail; Substack's, who pays.
    if "state" not in found and "type" in places and "creation date" in places:
        found["state"] = places["type"]
    found |= {field: _chosen(field, name, places, heading) for field, name in chosen.items()}
    if "email" not in found:
        raise HeadingError(f"none of the columns is email; there {_listed(heading)}")
    whole, switches = _whole(found, places, file_name), not SWITCHES.isdisjoint(found)
    says = bool(whole) or "state" in found or not SWITCHES.isdisjoint(found.keys() - {"deleted_at"})
    only_a_word = "state" in found and not switches and MORE.isdisjoint(found)
    return Columns(len(heading), tuple(found), tuple(found.values()), whole, switches, only_a_word, says)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _chosen(field: str, name: str, places: Mapping[str, int], heading: Iterable[str]) -> int:
    if field not in MAPPABLE:
        raise HeadingError(f"--map {field}={name}: {field} is no field; known are {', '.join(MAPPABLE)}")
    if _plain(name) not in places:
        raise HeadingError(f"--map {field}={name}: there is no such column; there {_listed(heading)}")
    return places[_plain(name)]


def _listed(heading: Iterable[str]) -> str:
    names = ", ".join(name for name in heading if name.strip() and "@" not in name)[:200]
    return f"are {names}" if names else "are none with a name"


def _whole(found: Mapping[str, int], places: Mapping[str, int], file_name: str) -> str:
    """Mailchimp's three files have no state column: each is one state, told by its columns or its name."""
    if "state" in found or "member rating" not in places:
        return ""
    if "left_at" in found and "bounced_at" in found:
        return ""
    if "left_at" in found:
        return "unsubscribed"
    if "bounced_at" in found:
        return "cleaned"
    return "subscribed" if file_name.lower().startswith("subscribed") else ""
