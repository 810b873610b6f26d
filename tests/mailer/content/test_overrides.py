from pathlib import Path

import pytest
from django.template.backends.django import DjangoTemplates

from mailer.content.overrides import fault_in


def fault_of(own: Path, content: bytes) -> str | None:
    """Return what is reported about a template of this content."""
    (own / "own.html").write_bytes(content)
    engine = DjangoTemplates({"NAME": "own", "DIRS": [own], "APP_DIRS": False, "OPTIONS": {"debug": True}})
    with pytest.raises(Exception) as raised:  # noqa: PT011 — any error at all is what it is about
        engine.get_template("own.html").render({})
    return fault_in(raised.value, own)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"One\n{% nothing %}", "own.html:2 Invalid block tag"),
        (b"{% include 'gone.html' %}", "own.html:1 there is no template gone.html;"),
        (b"{{ 1|divisibleby:0 }}", "own.html:1 integer modulo by zero;"),
        (b"\xff\xfe", "own.html cannot be read (it is not UTF-8);"),
    ],
)
def test_whatever_is_wrong_with_an_own_template_is_told_with_its_file(tmp_path, content, told):
    assert f"{tmp_path}/{told}" in (fault_of(tmp_path, content) or "")


def test_a_folder_in_the_place_of_a_template_is_told(tmp_path):
    with pytest.raises(IsADirectoryError) as raised:
        tmp_path.read_text()
    assert "cannot be read (is a directory)" in (fault_in(raised.value, tmp_path) or "")


def test_what_no_template_caused_is_not_explained(tmp_path):
    assert fault_in(FileNotFoundError(2, "No such file", "/elsewhere"), tmp_path) is None
    assert fault_in(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), tmp_path) is None
    assert fault_in(KeyError("x"), tmp_path) is None
