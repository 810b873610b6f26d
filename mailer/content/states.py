"""The words with which front matter says whether an issue is ready."""

from collections.abc import Mapping

from mailer.content.patterns import lazy

YES = ("true", "yes", "on", "y", "t", "1", "x", "是", "真")
NO = ("false", "no", "off", "n", "f", "0", "否", "假")
# What site generators and editors call an issue that is not to go out.
UNFINISHED = lazy(
    r"(first |rough |early )?drafts?\b.*|wip|work in progress|in[ _-]progress|unpublished"
    r"|(not|never)[ _-](ready|published|done|finished|started)|unfinished|incomplete|(on[ _-])?hold|to[ _-]?do"
    r"|writing|editing|(brouillon|entwurf|borrador|rascunho|bozza|черновик|下書き)\b.*"
    r"|草稿.*|未完成|未发布|写作中|编辑中|待[定审].*",
)
# What a status alone says of the issue: as a stage or a phase, it may well be what the issue is about.
NOT_YET = lazy(
    rf"{UNFINISHED.pattern}|pending|private|((needs?|in|under|pending|awaiting)[ _-])?review|idea|outline|concept"
)


def bare(value: str) -> str:
    """Return a value without what its writer took for the notation around it: `“Yes”,` is "yes"."""
    return value.lower().strip(" ,;.!'\"“”‘’")


def tells_draft(value: str) -> bool:
    """Tell whether this can stand behind `draft:` as its value, and is not a sentence."""
    return bare(value) in (*YES, *NO) or bool(NOT_YET.fullmatch(bare(value)))


# How other programs say that a text is not for everybody.
_RESTRICTED = {
    "email_type": ("private", "premium"),
    "visibility": ("private", "paid", "members", "tiers"),
    "audience": ("only_paid", "only_free", "founding"),
}


def restriction_in(values: Mapping[str, str]) -> str:
    """Return the line of front matter that says that the text is not for everybody; "" if none does."""
    found = (key for key, meant in _RESTRICTED.items() if values.get(key, "").strip().lower() in meant)
    return next((f"{key}: {values[key]}" for key in found), "")
