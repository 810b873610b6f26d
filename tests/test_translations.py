"""The catalogue of each language has every translatable sentence of the source and the templates, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils.translation import to_locale

from subscribers.languages import is_reviewed
from tests.messages import catalogues

ROOT = Path(__file__).resolve().parents[1]
MARKERS = {"gettext", "gettext_noop", "ngettext"}
TAG = re.compile(r"""{% translate (?:"([^"]+)"|'([^']+)')""")
BLOCK = re.compile(r"{% blocktranslate[^%]*%}(.*?)(?:{% plural %}.*?)?{% endblocktranslate %}", re.DOTALL)
VARIABLE = re.compile(r"{{ (\w+) }}")
# What a sentence is filled with: %(name)s, {number}, %s.
FILLED = re.compile(r"%\(\w+\)[sd]|{\w+}|%s")


def in_source() -> Iterator[str]:
    """Yield each literal that mailer and subscribers mark for translation."""
    for path in [*ROOT.glob("mailer/**/*.py"), *ROOT.glob("subscribers/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
                argument = node.args[0]
                if isinstance(argument, ast.Constant):  # else a literal that another call marks
                    yield argument.value


def in_templates() -> Iterator[str]:
    """Yield each sentence that a template translates, as gettext sees it."""
    for path in (path for path in (ROOT / "templates").rglob("*") if path.is_file()):
        source = path.read_text(encoding="utf-8")
        yield from (double or single for double, single in TAG.findall(source))
        yield from (VARIABLE.sub(r"%(\1)s", block) for block in BLOCK.findall(source))


@pytest.fixture(params=catalogues(), ids=lambda path: path.parts[-3])
def catalogue(request) -> polib.POFile:
    return polib.pofile(str(request.param))


def test_each_of_our_languages_but_english_has_a_catalogue():
    ours = {to_locale(code) for code, _ in settings.LANGUAGES} - {"en"}
    assert {path.parts[-3] for path in catalogues()} == ours


def test_every_translatable_sentence_and_no_other_is_in_the_catalogue(catalogue):
    """A sentence without a translation would be English in the middle of a page or email."""
    texts = {*in_source(), *in_templates()}
    assert len(texts) > 150
    translated = {entry.msgid for entry in catalogue if entry.translated() and not entry.fuzzy}
    assert texts - translated == set()
    assert {entry.msgid for entry in catalogue} - texts == set()


def test_a_translation_is_filled_with_what_its_sentence_is_filled_with(catalogue):
    """A name that is missing would be left out, and one that is misspelt would be an error on the page."""
    for entry in catalogue:
        wanted = set(FILLED.findall(entry.msgid))
        for translation in entry.msgstr_plural.values() or [entry.msgstr]:
            # A form for exactly one or two may do without the number.
            found = set(FILLED.findall(translation))
            assert found <= wanted if entry.msgid_plural else found == wanted, entry.msgid


def test_a_translation_has_every_plural_form_of_its_language(catalogue):
    forms = int(re.search(r"nplurals=(\d)", catalogue.metadata["Plural-Forms"])[1])
    for entry in catalogue:
        assert len(entry.msgstr_plural) == (forms if entry.msgid_plural else 0), entry.msgid


def test_a_language_is_unreviewed_until_a_native_speaker_has_read_its_catalogue(catalogue):
    assert is_reviewed(catalogue.metadata["Language"].replace("_", "-").lower()) is (
        catalogue.metadata.get("X-Reviewed") != "no"
    )


def test_english_is_reviewed():
    assert is_reviewed("en")
