"""Recognise addresses that were made for one person, or that only lead on to another one."""

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

from mailer.checks.hosts import WEB, host_of
from mailer.config.rules import names

# Pages that lead on: host, path, and the parameters that hold the address behind them.
LEADS_ON = [
    (re.compile(host), re.compile(path), parameters.split())
    for host, path, parameters in (
        (r".*\.safelinks\.protection\.outlook\.com|safelinks\.protection\.office365\.us", r"/", "url"),
        (r"(www\.)?google\.[a-z.]{2,6}", r"/url", "q url"),
        (r"lm?\.(facebook|instagram|messenger)\.com", r"/", "u"),
        (r"(www\.)?youtube\.com", r"/redirect", "q"),
        (r"(www\.)?linkedin\.com", r"/(redir|safety/go)", "url"),
        (r"out\.reddit\.com|slack-redir\.net|(www\.)?tumblr\.com|t\.umblr\.com", r"/", "url z"),
        (r"duckduckgo\.com", r"/l/", "uddg"),
        (
            r"link\.(zhihu|juejin|csdn)\.(com|cn|net)|gitee\.com|sspai\.com|www\.jianshu\.com",
            r"/(link|go-wild)?",
            "target url",
        ),
        (
            r"c\.pc\.qq\.com|mail\.qq\.com|vk\.com|steamcommunity\.com",
            r"/(middlem|cgi-bin|away|linkfilter)",
            "pfurl url to",
        ),
        (r"urldefense\.proofpoint\.com|linkprotect\.cudasvc\.com", r"/", "u a"),
        (r".*\.safelink\.emails\.azure\.net|exit\.sc", r"/", "destination url"),
        (r"(statics\.)?teams\.(cdn\.office\.net|microsoft\.com)", r"/.*safelinks", "url"),
        (r"(www\.)?google\.[a-z.]{2,6}", r"/imgres", "imgurl"),
    )
]
URLDEFENSE = re.compile(r"https?://urldefense\.(?:com|us)/v3/__(.+?)__;", re.IGNORECASE)
# Where services that send email count clicks; each such address was made for one email, often for one person.
COUNTS_CLICKS = re.compile(
    r"[^/]*\.list-manage\d*\.com/track/click|[^/]+/ls/click|[^/]*\.awstrack\.me/|[^/]*\.mjt\.lu/lnk/"
    r"|[^/]*\.createsend\d*\.com/t/|[^/]*\.cmail\d*\.com/t/|click\.convertkit-mail\d*\.com/|[^/]*\.hubspotlinks\.com/"
    r"|[^/]*substack\.com/redirect/|link\.mail\.beehiiv\.com/|[^/]*\.customeriomail\.com/e/c/|[^/]*\.klclick\d*\.com/"
    r"|email\.[^/]+/c/eJ|[^/]+/wf/click|[^/]+/C?L0/https?[:%]|[^/]+/lt\.php|click\.[^/]*mailchimp\.com/track/"
    r"|(www\.)?bing\.com/ck/a|urldefense\.proofpoint\.com/v[12]/url|clicks\.(aweber|mlsend)\.com/|r20\.rs6\.net/tn\.jsp"
    r"|[^/]*\.sendib[mt]\d*\.com/|[^/]*\.exct\.net/|[^/]*\.mimecast\.com/s/|secure-web\.cisco\.com/",
    re.IGNORECASE,
)
LEAVING = names(
    "unsubscribe unsub optout opt-out opt_out disable_email one-click oneclick email-preferences manage-preferences"
)
IN_REPOSITORY = names("blob tree raw src commit commits blame browse edit history files")
OURS = re.compile(r"(?:/[\w-]+)?/(confirm|unsubscribe|preferences)/(?:(?:data|address|undo)/)?[\w-]{8,}")
MAILBOX = re.compile(r"mail\.google\.com/mail/|outlook\.(live|office|office365)\.com/mail/")
TOKEN = re.compile(r"(?=.*\d)[A-Za-z0-9_=]{16,}|[0-9a-f-]{36}|eyJ[\w.=-]+")
TOKENS = names("e u id uid sid token hash key c upn subscriber email")


def behind(target: str) -> str | None:
    """Return the address that a redirecting one leads to, "" if it does not say; None for any other address."""
    if found := URLDEFENSE.match(target):
        return found[1]
    host, path, parameters = _parts(target)
    inside = [(name, value) for name, value in parameters if "//" in value]
    for of_host, of_path, holding in LEADS_ON if inside else ():
        address = next((value for name, value in inside if name in holding), "")
        if address and of_host.fullmatch(host) and of_path.match(path):
            return address
    return "" if COUNTS_CLICKS.match(f"{host}{path}") else None


def whose(target: str, base_url: str) -> str:
    """Say whose own link the address is, as it continues "… is "; return "" if it is everybody's."""
    host, path, parameters = _parts(target)
    if host and host == host_of(base_url) and OURS.match(path):
        return "the link of one subscriber: whoever opens it acts for them"
    if MAILBOX.match(f"{host}{path}") and ("/" in target.partition("#")[2] or "/id/" in path):
        return "a message in your own mailbox, which nobody else can open"
    segments = [segment for segment in unquote(path).split("/") if segment]
    if host.startswith(("unsubscribe.", "unsub.")):
        found = [*parameters, *(("", one) for one in segments)]
    elif LEAVING.isdisjoint(map(str.lower, segments)):
        found = []
    else:  # a token elsewhere may be a commit of a program that is called so
        around = [("", one) for before, one in pairwise(segments) if before.lower() in LEAVING]
        # Before it, only what can be no commit: in a repository, a path may end so, too.
        if IN_REPOSITORY.isdisjoint(segments) and not host.startswith("raw."):
            around += [("", before) for before, one in pairwise(segments[-2:]) if one.lower() in LEAVING]
        found = [*parameters, *around]
    if any(_is_token(name, value) for name, value in found):
        return "the unsubscribe link of one person: whoever opens it unsubscribes them"
    return ""


def _is_token(name: str, value: str) -> bool:
    return bool(TOKEN.fullmatch(value)) or (name in TOKENS and bool(value))


def password_in(target: str) -> bool:
    """Tell whether the address carries a name and a password."""
    found = WEB.match(target.strip())
    return bool(found and found[1].rpartition("@")[0].partition(":")[2])


def _parts(target: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Return host, path, and parameters with their names in lower case."""
    try:
        parts = urlsplit(target.strip())
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return "", "", []
    return host_of(target), parts.path or "/", list(_lowered(pairs))


def _lowered(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        yield name.lower(), value
