"""Refuse text that can never be an email before parsing it.

Markdown parsers take time quadratic in the number of some marks: 50,000 "[" cost six seconds, and no issue has them. An
email of at most 102,400 bytes has room for a fraction of what is allowed here.
"""

LONGEST = 400_000  # bytes
MOST_LINES = 5_000
# Marks, and how often all marks of one line may occur in a text.
MOST_MARKS = {
    "[": 5_000,
    "://": 5_000,
    "//": 10_000,
    "* _ ~": 20_000,
    "&": 10_000,
    "{": 10_000,
    "\\": 20_000,
    "|": 10_000,
    "<": 20_000,
    "@": 5_000,
    ":": 20_000,
}


def beyond_a_mail(source: str) -> str:
    """Say what the text has too much of, to continue "the text has "; return "" if it can be an email."""
    size = len(source.encode())
    if size > LONGEST:
        return f"{size:,} bytes"
    lines = source.count("\n")
    if lines > MOST_LINES:
        return f"{lines:,} lines"
    for marks, most in MOST_MARKS.items():
        number = sum(map(source.count, marks.split()))
        if number > most:
            return f"{number:,} of {marks}"
    return ""
