"""Text that can never be a mail is refused before anybody tries to make one of it.

Markdown parsers take the square of the number of some marks: 50,000 "[" cost six seconds and no reader ever saw one.
A mail of at most 102,400 bytes has room for a fraction of what is allowed here.
"""

LONGEST = 400_000  # bytes
MOST_LINES = 5_000
# Marks, and how often those of a line may stand in a text together.
MOST_MARKS = {
    "[": 5_000,
    "://": 5_000,
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
    """What the text has too much of, in words that go on from "the text has "; "" for a text that may be a mail."""
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
