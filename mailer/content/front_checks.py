"""Judge what an issue's front matter says: that it is a draft, and what has an effect elsewhere but none here."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import unquote

from mailer.config.languages import read_language
from mailer.config.rules import why_not_ignored
from mailer.content.dates import days_in, in_words, meant_by
from mailer.content.findings import Finding
from mailer.content.frontmatter import DATES, MORE_DATES, SUBJECTS, FrontMatter
from mailer.content.states import NO, NOT_YET, UNFINISHED, YES, bare

STATES = {
    **dict.fromkeys(("state", "stage", "phase", "workflow"), UNFINISHED),
    **dict.fromkeys(("status", "post_status", "publish_status", "状态", "draft", "published", "visibility"), NOT_YET),
}
HELD_BACK = (
    *((key, NO) for key in ("published", "publish", "send", "email", "send_email", "ready", "approved")),
    *(
        (key, YES)
        for key in ("draft", "drafts", "is_draft", "isdraft", "wip", "hold", "do_not_send", "private", "草稿")
    ),
)


# What newsletter services understand; who writes it expects that something happens. Keys that only concern a web site
# are none of our business. Key → what does not happen, and what to do.
ELSEWHERE = {
    "subtitle standfirst": ("is not in the email", "write it below the title, or as preheader"),
    "send_at sendat send_date send_time schedule scheduled scheduled_at publish_at": (
        "does not set when the email goes out",
        "give the time to `mailer send issue --at`",
    ),
    "to cc bcc recipients audience segment segments": (
        "does not choose who gets the email: every subscriber of the newsletter does",
        "remove the line, or make a newsletter of its own for these people",
    ),
    "from from_name from_email sender reply_to replyto": (
        "does not change the sender",
        "set it in newsletter.toml, for all issues",
    ),
    "accent_color postal_address": ("has no effect in an issue", "set it in newsletter.toml, for all issues"),
    "attachment attachments": ("attaches nothing", "link to the file in the text"),
}
EVERYBODY = ("everyone", "everybody", "all", "public")  # what happens anyway, and what exports write into each file
# Hugo's, and what others call it.
EXPIRES = ("expirydate", "expiry_date", "expires", "expire_date", "unpublishdate", "unpublish_date")
SOON = timedelta(days=14)  # a text of the next days may well have their date
IMAGE = re.compile(
    r"(og|social|feature|featured|header|cover|hero|banner|lead|title)?[._-]?(image|img|photo|picture)s?"
    r"|cover|hero|banner|logo|thumbnail|thumb|teaser|splash|(\w+)\.(image|img|src|url|path|file|teaser)"
)
SHOWN = re.compile(r"\S+\.(png|jpe?g|gif|webp|svg|avif|bmp)([?#]\S*)?|https?://\S+", re.IGNORECASE)
KEY = re.compile(r"[\"']?([^\W\d][\w-]*)[\"']?\s*[:：=]")


def judge(
    front: FrontMatter, lines: Sequence[str], body: str = "", day: date | None = None, slug: str = ""
) -> Iterator[Finding]:
    """Return what is odd about the front matter of an issue of that day, which is known by `slug`.

    `lines` are those of the file, `body` is the text below the front matter.
    """
    yield from _title(front, lines)
    yield from _draft(front, lines)
    own = (*_twice(front, lines), *_date(front.values, day), *_language(front.values), *_ignored(front.values))
    unused = (*own, *_slug(front.values, slug), *_times_of_sites(front.values), *_elsewhere(front.values))
    for key, what, fix in unused:
        yield Finding(line_of(key, front, lines), 1, "key-unused", "warning", what, fix)
    for key, address in _images(front.values, body):
        what = f'the image "{address[:60]}" of "{key}:" is not in the email'
        fix = f"put it into the text, ![what it shows]({address[:60]}), or leave it to the web site"
        yield Finding(line_of(key, front, lines), 1, "image-unused", "warning", what, fix)


def _title(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", front.values.get("title", "").strip()):
        what = "the title contains a line break or a control character, which an email subject cannot"
        yield Finding(line_of("title", front, lines), 1, "header-control", "error", what, "write it on one line")


def _draft(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    """Report each key that says not to send; an issue may have several, and all of them must change."""
    for key in _that_hold_back(front.values):
        what = f'"{key}: {front.values[key][:40]}" marks the issue as a draft, which subscribers must not get'
        fix = "remove the line when it is ready; preview and `mailer send test` work meanwhile"
        yield Finding(line_of(key, front, lines), 1, "draft", "error", what, fix)


def _that_hold_back(values: Mapping[str, str]) -> Iterator[str]:
    for key, written in values.items():
        name, value = key.replace("-", "_"), bare(written)
        # In a table where it was not meant to be: TOML puts all lines below "[cover]" into it.
        name = "draft" if name.endswith(".draft") else name
        is_held = any(name == held and value in meant for held, meant in HELD_BACK)
        if is_held or (name in STATES and STATES[name].fullmatch(value)):
            yield key


def _twice(front: FrontMatter, lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Return (key, message, fix) for each key that has several lines of its own."""
    found = (KEY.match(line) for line in lines[front.start : front.end])
    for key, lines_of_it in Counter(match[1].lower() for match in found if match).items():
        if lines_of_it > 1:
            yield key, f'the front matter has {lines_of_it} lines "{key}:", and only one of them counts', "keep one"


def _date(values: Mapping[str, str], day: date | None) -> Iterator[tuple[str, str, str]]:
    """Report a date that cannot be read. 9999-99-99 and 0000-00-00 stand for "not yet" in many archives."""
    key = next((key for key in DATES if values.get(key)), "date")
    written = values.get(key, "").strip()
    if not written or days_in(written) or re.match(r"9999|0000", written):
        return
    outcome = f"the one in its file name, folder or title counts: {in_words(day)}" if day else "this issue has none"
    meant = meant_by(written)
    fix = f"write it as {meant}" if meant else "write year, month and day, such as 2026-11-24"
    yield key, f'{key} "{written[:40]}" is not a date, so {outcome}', fix


def _times_of_sites(values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Report when a site would no longer, or not yet, show the text: an email goes out all the same."""
    today = datetime.now(UTC).date()  # noqa: TID251 — as such sites read a day without a time, wherever the editor is
    for key in EXPIRES:
        if (days := days_in(values.get(key, ""))) and days[0] <= today:
            what = f'"{key}: {values[key][:40]}" has passed, and the issue would be sent all the same'
            yield key, what, "remove the line if it still holds, or do not send the issue"
    for key in MORE_DATES:
        if (days := days_in(values.get(key, ""))) and days[0] > today + SOON:
            what = f'"{key}: {values[key][:40]}" does not set when the email goes out'
            yield key, what, "give the time to `mailer send issue --at`"


def _language(values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    key = "language" if values.get("language") else "lang"
    if written := values.get(key, ""):
        try:
            read_language(written)
        except ValueError as error:
            what = str(error).partition("; ")[0]
            yield key, f'{key} "{written[:40]}" {what}', "write a code such as en, zh-hans or pt-br"


def _slug(values: Mapping[str, str], used: str) -> Iterator[tuple[str, str, str]]:
    """Report a slug that is a path, or an address: another one is used. Spaces and capitals surprise nobody."""
    written = values.get("slug", "").strip()
    if used and re.search(r"[/\\?#%:]", written.strip("/")):
        yield "slug", f'"slug: {written[:60]}" cannot be used, so the issue is known as "{used}"', f"write slug: {used}"


def _ignored(values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    in_vain = {rule: why for rule in rules_in(values.get("ignore", "")) if (why := why_not_ignored(rule))}
    if in_vain:
        named = ", ".join(in_vain)
        yield "ignore", f'"ignore: {named[:60]}" has no effect', next(iter(in_vain.values())).rstrip(".")


def rules_in(ignore: str) -> list[str]:
    """Return the rules that a value of `ignore:` names, with or without brackets and commas."""
    return re.findall(r"[\w-]+", ignore)


def _elsewhere(values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in SUBJECTS:
        if values.get(key) and (values.get("title") or values[key]) != values[key]:
            what = f'"{key}: {values[key][:60]}" is not used: the subject of the email is the title'
            yield key, what, "write the subject as title, or remove the line"
    for keys, (what, fix) in ELSEWHERE.items():
        for key in keys.split():
            if values.get(key) and values[key].strip().lower() not in EVERYBODY:
                yield key, f'"{key}: {values[key][:40]}" {what}', fix


def _images(values: Mapping[str, str], body: str) -> Iterator[tuple[str, str]]:
    """Return the images that only the front matter names, each once, with their keys."""
    seen = set()
    for key, address in values.items():
        if not IMAGE.fullmatch(key) or not SHOWN.fullmatch(address):
            continue
        name = PurePosixPath(unquote(address.split("?")[0])).name
        name = name if "." in name else address  # a path in the site is another in this folder
        if name not in seen and name not in body:
            seen.add(name)
            yield key, address


def line_of(key: str, front: FrontMatter, lines: Sequence[str]) -> int:
    """Return the line of the file, from 1, that a key stands in; the first if it cannot be found."""
    pattern = re.compile(rf"\s*[\[\"']*{re.escape(key.split('.')[0])}[\]\"']*\s*([:：=]|$)", re.IGNORECASE)
    numbered = enumerate(lines[front.start : front.end], front.start + 1)
    return next((number for number, line in numbered if pattern.match(line)), 1)
