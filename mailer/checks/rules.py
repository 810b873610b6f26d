"""The names of all findings, and how severe each is."""

from mailer.content.findings import Severity

ERRORS = (
    # With these, the file cannot become an email at all.
    "unreadable",
    "not-utf8",
    "front-matter",
    "slug",
    "nesting",
    # The email would arrive broken.
    "no-subject",
    "empty-body",
    "header-control",
    "image-missing",
    "image-unreadable",
    "image-too-large",
    "image-too-complex",
    "relative-left",
    "unsafe-target",
    "placeholder-left",
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
    "preheader-missing",
    "preheader-repeats",
    "date-mismatch",
    "unfinished",
    "heading-skipped",
    "heading-h1s",
    "section-empty",
    "link-empty",
    "link-mismatch",
    "link-duplicate",
    "link-expiring",
    "link-shortener",
    "issue-unknown",
    "anchor-broken",
    "http",
    "bare-url",
    "alt-missing",
    "alt-filename",
    "image-width",
    "image-weight",
    "html-dropped",
    "liquid",
    "size-warning",
    "style-size",
    "contrast",
    "client-support",
    # Only with --links.
    "link-dead",
    "link-moved",
    "link-refused",
    "link-unasked",
)
RULES: dict[str, Severity] = {**dict.fromkeys(ERRORS, "error"), **dict.fromkeys(WARNINGS, "warning")}


def names(text: str) -> frozenset[str]:
    """Return the names in a text: that is how long sets are easiest to read."""
    return frozenset(text.split())


# An editor may know better than a rule about wording; nobody knows better than Gmail's limit, the law, or the DNS.
FINAL = names("size-limit unsubscribe-missing sender-reserved postal-address sample-left base-url")
