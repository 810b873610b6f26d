"""Treat what HTML calls code as Markdown's own: a template in `<pre>` is meant as it is written."""

import re
from collections.abc import Sequence
from dataclasses import replace

from markdown_it.token import Token

TAG = re.compile(r"<(/?)(pre|code|kbd|samp|tt|xmp)\b", re.IGNORECASE)


def with_code(children: Sequence[Token]) -> list[Token]:
    """Return the tokens, those of text between a tag of code and its end as tokens of code."""
    tags = [TAG.match(child.content) if child.type == "html_inline" else None for child in children]
    last_end = max((number for number, tag in enumerate(tags) if tag and tag[1]), default=-1)
    made, depth = [], 0
    for number, (child, tag) in enumerate(zip(children, tags, strict=True)):
        if tag and number <= last_end:
            depth = max(depth + (-1 if tag[1] else 1), 0)
        is_code = depth and child.type in ("text", "text_special") and number < last_end
        made.append(replace(child, type="code_inline") if is_code else child)
    return made
