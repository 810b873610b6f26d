import io
import random
from pathlib import Path

import pytest
from PIL import Image as Pillow

from mailer.publishing.preparing import require_known_rules


@pytest.fixture
def picture(tmp_path: Path):
    """Put an image beside the issue: `picture("a.png")`."""

    def make(name: str, size: tuple[int, int] = (40, 20), noise: bool = False) -> None:
        (tmp_path / "issues").mkdir(exist_ok=True)
        image = Pillow.new("RGB", size, "#0f766e")
        if noise:
            image = Pillow.frombytes("RGB", size, random.Random(7).randbytes(size[0] * size[1] * 3))
        file = io.BytesIO()
        image.save(file, "PNG")
        (tmp_path / "issues" / name).write_bytes(file.getvalue())

    return make


def test_an_image_without_alt_text_is_reported(rules, picture):
    picture("board.png")
    assert rules("![](board.png)") == ["alt-missing"]


@pytest.mark.parametrize(
    "alt",
    [
        "board_v2.png",
        "board_v2",
        "IMG_2041",
        "Screenshot 2026-11-20",
        "image1",
        "微信图片_20261120",
        "alt text",
        "图片描述",
        "undefined",
    ],
)
def test_an_alt_text_that_is_a_file_name_is_told(rules, picture, alt):
    picture("board_v2.png")
    assert rules(f"![{alt}](board_v2.png)") == ["alt-filename"]


@pytest.mark.parametrize("alt", ["The board, from above", "Board", "Image of the board", "电路板的照片"])
def test_alt_text_about_the_image_is_fine(rules, picture, alt):
    picture("board.png")
    assert rules(f"![{alt}](board.png)") == []


def test_an_image_that_is_not_there_is_an_error(findings):
    told = findings("![The board](board.png)")
    assert [(finding.rule, finding.severity, finding.line) for finding in told] == [("image-missing", "error", 9)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Board.PNG", 'did you mean "board.png"?'),
        ("board.jpg", 'did you mean "board.png"?'),
        ("./BOARD.png", 'did you mean "./board.png"?'),
        ("photos\\\\board.png", 'did you mean "photos/board.png"?'),
        ("board@2x.png", 'did you mean "board.png"?'),
        ("logo@2x.png", "put the file into the newsletter's folder"),
        ("logo.ai", "put the file into the newsletter's folder"),
        ("ada@a.example", "put the file into the newsletter's folder"),
        ("www.a.example/x.png", "write https://www.a.example/x.png"),
        ("https//a.example/x.png", "write https://a.example/x.png"),
        ("elsewhere.png", "put the file into the newsletter's folder"),
        ("", "name a file"),
        ("data:image/png;base64,iVBORw0KGgo=", "put the file into the newsletter's folder"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_with_the_right_one(findings, picture, tmp_path, written, meant):
    picture("board.png")
    (tmp_path / "issues" / "photos").mkdir()
    (tmp_path / "issues" / "photos" / "board.png").touch()
    (told,) = [finding for finding in findings(f"![The board]({written})") if finding.severity == "error"]
    assert meant in told.fix


def test_heavy_images_are_told_where_they_stand(findings, picture):
    for number in range(3):
        picture(f"n{number}.png", (400 + number, 300), noise=True)
    told = findings("".join(f"![Noise, number {number}](n{number}.png)\n\n" for number in range(3)))
    assert [(finding.rule, finding.line) for finding in told] == [
        ("image-weight", 1),
        ("image-weight", 9),
        ("image-weight", 11),
        ("image-weight", 13),
    ]
    assert "1.1 MB" in told[0].message
    assert '"n0.png"' in told[1].message


def test_a_remote_image_that_clients_do_not_show_is_told_with_its_place(findings):
    told = findings('Text.\n\n<img src="https://a.example/badge.svg" alt="All tests pass" width="88">')
    assert [(finding.rule, finding.line) for finding in told] == [("client-support", 11), ("image-remote", 11)]
    assert "SVG" in told[0].message


def test_images_from_elsewhere_are_told_once_with_their_hosts(findings):
    told = findings("\n\n".join(f"![Board {n}](https://cdn{n % 5}.example/{n}.png)" for n in [*range(39), 0]))

    assert [(finding.rule, finding.severity, finding.line) for finding in told] == [("image-remote", "warning", 9)]
    assert "loads 39 images from cdn0.example, cdn1.example, cdn2.example and 2 more:" in told[0].message


def test_a_logo_from_elsewhere_is_told_at_the_top(findings):
    told = findings("Text.", logo="https://cdn.example/logo.png")
    assert [(finding.rule, finding.line) for finding in told] == [("image-remote", 1)]


def test_a_rule_of_an_earlier_version_may_still_be_ignored():
    require_known_rules(["image-width"])


def test_an_image_without_encryption_is_a_warning_and_stays(proof, rules):
    made = proof("---\ntitle: Boards\npreheader: Small.\n---\n\n![A board](http://cdn.example.net/a.png)\n")
    assert 'src="http://cdn.example.net/a.png"' in made.rendered.html
    assert rules("![A board](http://cdn.example.net/a.png)") == ["image-http", "image-remote"]


@pytest.mark.parametrize(("alt", "says"), [("Photo", "what any image could be called"), ("IMG_1234", "a file name")])
def test_why_a_description_is_none_is_said(findings, alt, says):
    (told,) = (one for one in findings(f"![{alt}](https://a.example/b.png)") if one.rule == "alt-filename")
    assert says in told.message


def test_an_image_on_this_machine_cannot_be_copied(rules):
    assert "image-remote" not in rules("![The board](http://127.0.0.1/x.png)")
