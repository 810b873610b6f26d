"""Every rule of the checker: how severe its findings are, and whether an editor may ignore them.

They stand here because newsletter.toml names them. A rule has one severity: what blocks a send has a name of its own,
so that ignoring a warning disarms nothing else.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

# What blocks a send, what an editor should look at, and what could be better though nothing is wrong.
Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def names(text: str) -> frozenset[str]:
    """Return the names in a text: that is how long sets are easiest to read."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Rule:
    severity: Severity
    ignorable: bool = True  # whether an issue, a newsletter or `--ignore` may leave its findings out


ERRORS = (
    # With these, the file cannot become an email at all.
    "unreadable",
    "not-utf8",
    "front-matter",
    "slug",
    "nesting",
    # The email would arrive broken.
    "empty-body",
    "header-control",
    "image-missing",
    "image-changed",
    "image-unreadable",
    "image-too-large",
    "image-too-complex",
    "image-page",
    "link-broken",
    "link-private",
    "relative-left",
    "unsafe-target",
    "placeholder-left",
    "markup-left",
    "text-lost",
    "unclosed",
)
# An editor may know better than a rule about wording; nobody knows better than Gmail's limit, the law, or the DNS,
# and only its own file says that an issue is no longer a draft.
SAFEGUARDS = (
    "no-subject",
    "draft",
    "private-note",
    "size-limit",
    "unsubscribe-missing",
    "sender-reserved",
    "postal-address",
    "sample-left",
    "base-url",
)
WARNINGS = (
    "subject-long",
    "subject-shouting",
    "preheader-repeats",
    "date-mismatch",
    "key-unused",
    "image-unused",
    "unfinished",
    "section-empty",
    "title-link",
    "title-section",
    "note-unused",
    "link-empty",
    "link-mismatch",
    "link-duplicate",
    "link-expiring",
    "link-shortener",
    "link-local",
    "link-redirect",
    "issue-unknown",
    "issue-unsent",
    "anchor-broken",
    "bare-url",
    "image-http",
    "alt-missing",
    "alt-filename",
    "image-remote",
    "image-uncopied",
    "image-expiring",
    "image-weight",
    "html-dropped",
    "liquid",
    "markup-maybe",
    "size-warning",
    "table-wide",
    "style-size",
    "contrast",
    "client-support",
    # Only with --links.
    "link-dead",
    "link-moved",
    "link-refused",
    "link-unasked",
)
HINTS = ("preheader-missing", "heading-skipped", "heading-h1s", "http", "language-other", "details-open")
RULES: dict[str, Rule] = {
    **dict.fromkeys(ERRORS, Rule("error")),
    **dict.fromkeys(SAFEGUARDS, Rule("error", ignorable=False)),
    **dict.fromkeys(WARNINGS, Rule("warning")),
    **dict.fromkeys(HINTS, Rule("hint")),
}
# Rules of earlier versions: an issue, a newsletter or a command that ignores one goes on working.
RETIRED = names("image-width")


def why_not_ignored(rule: str) -> str:
    """Say why nobody can ignore this rule, as it continues "RULE: "; return "" if an editor may."""
    if rule in RETIRED:
        return ""
    if rule not in RULES:
        near = get_close_matches(rule, RULES, 1)
        return f"unknown rule; {f'did you mean {near[0]}?' if near else 'docs/authoring.md lists them all.'}"
    return "" if RULES[rule].ignorable else "this rule cannot be ignored."
