"""The Chinese catalogue has every translatable sentence of the source and the templates, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib

from tests.messages import catalogues

ROOT = Path(__file__).resolve().parents[1]
MARKERS = {"gettext", "gettext_noop"}
TAG = re.compile(r"""{% translate (?:"([^"]+)"|'([^']+)')""")
BLOCK = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", re.DOTALL)
VARIABLE = re.compile(r"{{ (\w+) }}")


def in_source() -> Iterator[str]:
    """Yield each literal that mailer and subscribers mark for translation."""
    for path in [*ROOT.glob("mailer/**/*.py"), *ROOT.glob("subscribers/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
                (argument,) = node.args
                if isinstance(argument, ast.Constant):  # else a literal that another call marks
                    yield argument.value


def in_templates() -> Iterator[str]:
    """Yield each sentence that a template translates, as gettext sees it."""
    for path in (path for path in (ROOT / "templates").rglob("*") if path.is_file()):
        source = path.read_text(encoding="utf-8")
        yield from (double or single for double, single in TAG.findall(source))
        yield from (VARIABLE.sub(r"%(\1)s", block) for block in BLOCK.findall(source))


def test_every_translatable_sentence_and_no_other_is_in_each_catalogue():
    """A sentence without a translation would be English in the middle of a Chinese page or email."""
    texts = {*in_source(), *in_templates()}
    assert len(texts) > 150
    for catalogue in catalogues():
        entries = polib.pofile(str(catalogue))
        assert texts - {entry.msgid for entry in entries if entry.msgstr and not entry.fuzzy} == set()
        assert {entry.msgid for entry in entries} - texts == set()
