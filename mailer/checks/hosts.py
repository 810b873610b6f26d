"""Tell whether an address can be opened by anybody at all, and whether outside of one network."""

import ipaddress
import re
from urllib.parse import unquote

from mailer.checks.internet import is_public
from mailer.config.rules import names

# Names that mean something in one network or on one machine only: RFC 6761, 6762, 8375, and what routers hand out.
LOCAL_ENDINGS = names("localhost local localdomain lan home internal intranet corp private home.arpa test invalid")
# Hosts that lead to a program on somebody's machine while it runs there.
TUNNEL = re.compile(r".+\.(ngrok\.(io|app|dev)|ngrok-free\.(app|dev)|trycloudflare\.com|loca\.lt|serveo\.net)")
# Addresses that manuals use as examples, like example.org, which nobody mistakes for a link that was left over.
EXAMPLES = [
    ipaddress.ip_network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
]
# What cannot stand in a host's name; a browser refuses the address, or opens the host that is left of it.
NOT_IN_A_HOST = re.compile(r"[\s,;!$&*+='\"<>(){}|\\^`~\[\]]")
WEB = re.compile(r"(?:https?:)?//([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
MAILBOX = re.compile(r"(?!//)[^@\s]+@(?:[^@\s.]+\.)+[^@\s.]+|[^@\s]+@localhost")


def why_broken(target: str) -> str:
    """Say why nobody can open the address, as it continues "the address … "; return "" if somebody may."""
    scheme = target.partition(":")[0].lower()
    if scheme == "mailto":
        return _of_mail(target[len("mailto:") :])
    if scheme == "tel":
        return "" if re.search(r"\d", target) else "has no number"
    found = WEB.fullmatch(target.strip())
    return _of_web(found[1], found[2]) if found else ""


def _of_mail(rest: str) -> str:
    addresses, mark, more = rest.partition("?")
    if re.match("mailto:", rest, re.IGNORECASE):
        return 'begins with "mailto:" twice'
    if not addresses.strip():
        # A link to forward something to a friend names no address, but a subject or a text.
        return "" if mark and more.strip() else "has no email address"
    wrong = [one for one in unquote(addresses).split(",") if not MAILBOX.fullmatch(one.strip())]
    return f'has "{wrong[0][:40]}" in it, which is not an email address' if wrong else ""


def _of_web(authority: str, rest: str) -> str:
    host, _, port = _host_and_port(authority.rpartition("@")[2])
    if host.lower() in ("http", "https") and rest.startswith("//"):
        return f'begins with "{host.lower()}://" twice'
    if re.search(r"\.[\w-]*https?$", host, re.IGNORECASE) and rest.startswith("//"):
        return "runs into another address"
    if port and not (re.fullmatch(r"\d{1,5}", port) and int(port) <= 65_535):
        return f'has the port "{port[:20]}", and the highest is 65535'
    return _of_host(host) or _of_end(rest)


def _of_host(host: str) -> str:
    if not host:
        return ""  # the renderer says so
    if ":" in host:
        return "" if _ip(host) else f'has "{host[:40]}" in brackets, which is not an IPv6 address'
    if wrong := NOT_IN_A_HOST.search(host):
        return f'has "{wrong[0]}" in the name of its host'
    labels = host.removesuffix(".").split(".")
    if "" in labels:
        return "has a dot too many in the name of its host"
    if max(map(len, labels)) > 63:
        return "has a host whose name is too long"
    if labels == ["www"] or (len(labels) > 1 and re.fullmatch(r"[A-Za-z]", labels[-1])):
        return "ends in the middle of its host's name"
    if len(labels) > 1 and any(label.startswith("-") or label.endswith("-") for label in labels[-2:]):
        return "has a hyphen at the edge of its domain"
    if len(labels) > 1 and labels[-1].isdigit() and not _ip(host):
        return f'has "{host[:40]}" as its host, which is neither a name nor an IP address'
    return ""


def _of_end(rest: str) -> str:
    if "](" in rest:
        return 'has "](" in it, and so runs into another link'
    opened = {"”": "“", "“": "„", "»": "«"}.get(rest[-1:], "\0") in rest  # as in a page's name in the address
    if re.search(r"[\"”“»]$", rest) and rest.count('"') % 2 == rest.endswith('"') and not opened:
        return "ends with a quotation mark"
    return (
        "runs into another address"
        if re.search(r"[^\W_]https?://|[,;，；、]\s*https?://", rest.partition("?")[0])
        else ""
    )


def _host_and_port(authority: str) -> tuple[str, str, str]:
    if found := re.fullmatch(r"\[([^\]]*)\](:?)(.*)", authority):
        return found[1] if ":" in found[1] else authority, found[2], found[3]
    return authority.partition(":")


def host_of(target: str) -> str:
    """Return the host of a web address in lower case, "" for any other address."""
    found = WEB.match(target.strip())
    host = _host_and_port(found[1].rpartition("@")[2])[0].lower() if found else ""
    return host if host.isascii() else re.sub("[。．｡]", ".", host)  # as browsers read them


def is_local(host: str) -> bool:
    """Tell whether only this machine or its own network knows the host."""
    host = host.removesuffix(".")
    if not host:
        return False
    if address := _ip(host):
        return not is_public(address) and not any(address in example for example in EXAMPLES)
    _, *more = host.split(".")
    ends_there = not more or more[-1] in LOCAL_ENDINGS or ".".join(more[-2:]) in LOCAL_ENDINGS
    return ends_there or bool(TUNNEL.fullmatch(host))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
