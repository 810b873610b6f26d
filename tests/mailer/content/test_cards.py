"""The pictures of links to issues: what is drawn, in which font, and when nothing is.

The fonts are those of the extra `cards`.
"""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image, ImageDraw

from mailer.config.newsletter import Newsletter
from mailer.content import cards
from mailer.content.cards import card_of, card_of_newsletter, drawing, faults_of, fonts, typesetting
from mailer.content.cards.fonts import fonts_for, missing, runs

BLUE, WHITE = (10, 88, 202), (255, 255, 255)


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    return replace(settings.NEWSLETTERS["weekly"], folder=tmp_path)


@pytest.fixture
def without_extra(monkeypatch):
    fonts._installed.cache_clear()
    monkeypatch.setattr(fonts, "find_spec", lambda name: None)
    yield
    fonts._installed.cache_clear()


def opened(card) -> Image.Image:
    return Image.open(io.BytesIO(card.content)).convert("RGB")


def written(card, ground=BLUE) -> tuple[int, int, int, int]:
    """Return the box of the title: all that is not of the ground's colour below the newsletter's name."""
    picture = opened(card).crop((0, drawing.TITLE_TOP - 20, drawing.WIDTH, drawing.HEIGHT - drawing.BAND))
    box = Image.eval(_difference(picture, ground), lambda shade: 255 if shade > 60 else 0).getbbox()
    assert box is not None
    return box


def _difference(picture: Image.Image, ground) -> Image.Image:
    from PIL import ImageChops

    return ImageChops.difference(picture, Image.new("RGB", picture.size, ground)).convert("L")


def test_a_card_has_the_size_that_sites_ask_for_and_the_newsletters_colour(weekly):
    card = card_of("What happens after quantization", weekly)
    assert (card.width, card.height, card.content_type, card.extension) == (1200, 630, "image/png", "png")
    picture = opened(card)
    assert picture.size == (1200, 630)
    assert picture.getpixel((600, 5)) == BLUE
    assert WHITE in {colour for _, colour in picture.getcolors(100_000)}


def test_the_same_issue_has_the_same_card_to_the_byte(weekly):
    first, again = card_of("模型压缩 and عربي", weekly), card_of("模型压缩 and عربي", weekly)
    assert first.content == again.content
    assert first.sha256 == again.sha256
    assert card_of("Another", weekly).sha256 != first.sha256


@pytest.mark.parametrize(
    "title",
    ["Hi", "After quantization, " * 5, "嵌入式AI简报 (2019-06-29)", "ما الجديد في GPT-4 (الجزء 2)", "W" * 60],
)
def test_a_card_that_was_measured_at_half_its_size_is_the_same_to_the_byte(weekly, monkeypatch, title):
    half = card_of(title, weekly)
    monkeypatch.setattr(typesetting, "MEASURED_AT", 1.0)
    assert half.content == card_of(title, weekly).content


@pytest.mark.parametrize(
    "title",
    [
        "Hi",
        "Edge Notes 12: What happens after quantization, and why nobody measures it properly",
        "模型压缩、知识蒸馏与“端侧推理”的新进展（第12期）" * 5,
        "ما الجديد في GPT-4 وكيف نقيس أداء النماذج الصغيرة (الجزء 2)",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft und mehr " * 3,
        "W" * 300,
        "Łódź: what 模型 and عربي mean (بيت), then “ź” more",
        "한국어 제목은 단어 사이에서 줄을 바꿉니다",
    ],
)
def test_no_title_leaves_its_place(weekly, title):
    left, top, right, bottom = written(card_of(title, weekly))
    assert left >= drawing.MARGIN - 12
    assert right <= drawing.WIDTH - drawing.MARGIN + 12
    assert top >= 0
    assert bottom <= drawing.TITLE_BOTTOM - drawing.TITLE_TOP + 40


def test_what_runs_from_right_to_left_stands_on_the_right(weekly):
    left, _, right, _ = written(card_of("مرحبا", weekly))
    assert left > 600
    assert abs(right - (drawing.WIDTH - drawing.MARGIN)) < 15
    left, _, right, _ = written(card_of("Hello", weekly))
    assert right < 600


def test_joined_letters_are_drawn_as_one_also_beside_other_scripts(weekly):
    """Resvg shapes a line in its first font and loses signs of Arabic if that is another one."""
    for title in ("عربي", "Łódź and عربي and 模型", "来自Łódź的عربي", "模型 عربي"):
        assert card_of(title, weekly) is not None, "its ink is that of its parts"


def test_text_on_a_light_colour_is_dark(weekly):
    card = card_of("Hello", replace(weekly, accent_color="#ffdd00"))
    assert (31, 35, 40) in {colour for _, colour in opened(card).getcolors(100_000)}


def test_text_is_drawn_as_text(weekly):
    evil = "</text><rect width='1200' height='630'/>&amp; {{ x }}"
    assert opened(card_of(evil, weekly)).getpixel((1100, 20)) == BLUE


def test_the_logo_stands_beside_the_name_on_white_if_it_has_holes(weekly, tmp_path):
    logo = Image.new("RGBA", (200, 100))
    ImageDraw.Draw(logo).ellipse((10, 10, 90, 90), fill=(200, 0, 0, 255))
    logo.save(tmp_path / "logo.png")
    picture = opened(card_of("Hello", replace(weekly, logo="logo.png")))
    assert picture.getpixel((drawing.MARGIN + 150, drawing.MARGIN + 44)) == WHITE
    logo.convert("RGB").save(tmp_path / "solid.png")
    picture = opened(card_of("Hello", replace(weekly, logo="solid.png")))
    assert picture.getpixel((drawing.MARGIN + 150, drawing.MARGIN + 44)) == (0, 0, 0)
    elsewhere = card_of("Hello", replace(weekly, logo="https://example.com/logo.png"))
    assert elsewhere.sha256 == card_of("Hello", weekly).sha256


@pytest.mark.parametrize("logo", ["missing.png", "../outside.png", "text.png"])
def test_a_logo_that_cannot_be_read_is_left_out(weekly, tmp_path, logo):
    (tmp_path / "text.png").write_text("no image")
    assert card_of("Hello", replace(weekly, logo=logo)).sha256 == card_of("Hello", weekly).sha256


def test_the_card_of_a_newsletter_has_its_name_and_what_it_is_about(weekly):
    plain = card_of_newsletter(weekly)
    told = card_of_newsletter(replace(weekly, about="Boards, compilers\nand models."))
    assert plain.sha256 != told.sha256
    assert written(plain) == written(told)


# ---------------------------------------------------------------- fonts


def test_without_a_font_there_is_no_card_and_it_is_said_what_to_do(weekly, without_extra):
    assert card_of("Hello", weekly) is None
    assert card_of_newsletter(weekly) is None
    assert "markdown-mailer[cards]" in str(faults_of("Hello", weekly))


def test_a_sign_that_no_font_has_is_no_card_and_it_is_named(weekly):
    assert card_of("Party 🎉 time", weekly) is None
    faults = faults_of("Party 🎉 time", weekly)
    assert faults.missing == "🎉"
    assert "🎉 (U+1F389)" in str(faults)
    assert "card_font" in str(faults)
    assert not faults_of("Party", weekly)
    assert card_of("Hello", replace(weekly, name="🎉 Weekly")) is None


def test_a_font_of_the_editors_comes_first_and_needs_no_extra(weekly, tmp_path, without_extra):
    from fontpkg import path

    (tmp_path / "own.ttf").write_bytes(path("Noto Sans Arabic").read_bytes())
    own = replace(weekly, card_font="own.ttf")
    assert [font.family for font in fonts_for(own, "en")] == ["Noto Sans Arabic"]
    assert card_of("Hello عربي", own) is not None
    assert faults_of("模型", own).missing == "模型"


@pytest.mark.parametrize("name", ["missing.ttf", "broken.ttf"])
def test_a_font_file_that_cannot_be_used_is_named(weekly, tmp_path, name):
    (tmp_path / "broken.ttf").write_text("no font")
    own = replace(weekly, card_font=name)
    assert card_of("Hello", own) is None
    assert str(tmp_path / name) in str(faults_of("Hello", own))


def test_a_font_whose_characters_are_damaged_makes_room_for_others(weekly, tmp_path):
    """Such a file can be opened; FreeType only complains of the characters that it draws."""
    from fontpkg import path

    content = bytearray(path("Noto Sans Arabic").read_bytes())
    entry = content.index(b"glyf")  # in the table of tables: name, checksum, offset, length
    start, length = (int.from_bytes(content[at : at + 4]) for at in (entry + 8, entry + 12))
    content[start : start + length] = b"\xfe" * length
    (tmp_path / "own.ttf").write_bytes(content)
    own = replace(weekly, card_font="own.ttf")
    assert card_of("Hello", own) is not None
    assert faults_of("\U0001f389", own).missing == "\U0001f389"


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("en", "Noto Sans"),
        ("de", "Noto Sans"),
        ("ar", "Noto Sans Arabic"),
        ("zh-hans", "Noto Sans CJK SC"),
        ("zh-hant", "Noto Sans CJK TC"),
        ("zh-hk", "Noto Sans CJK HK"),
        ("ja", "Noto Sans CJK JP"),
        ("ko", "Noto Sans CJK KR"),
    ],
)
def test_the_first_font_is_that_of_the_language(weekly, language, first):
    assert fonts_for(weekly, language)[0].family == first


def test_a_word_is_drawn_in_one_font(weekly):
    chinese = fonts_for(weekly, "zh-hans")
    found = [(run.text, run.font.family) for run in runs("来自Łódź的GPT", chinese)]
    assert found == [("来自", "Noto Sans CJK SC"), ("Łódź", "Noto Sans"), ("的GPT", "Noto Sans CJK SC")]


@pytest.mark.parametrize(
    "text", ["Tiếng Việt, Łódź, Größe, Ελλάδα, Привет", "模型压缩：「直達」", "النشرة الأسبوعية ١٢", "組込みってなに"]
)
def test_the_extra_has_every_letter_of_the_languages_we_speak(weekly, text):
    assert missing(text, fonts_for(weekly, "en")) == ""


def test_what_cannot_be_seen_needs_no_letter_in_a_font(weekly):
    assert card_of("Hello\u200b wor\u00adld\u2060\ufe0f\x07", weekly).sha256 == card_of("Hello world", weekly).sha256
    assert not faults_of("می\u200cخواهم \u200fx", weekly)


def test_drawing_is_not_loaded_before_something_is_drawn():
    import subprocess
    import sys

    program = "import sys, mailer.content.cards; print('PIL.ImageFont' in sys.modules, 'resvg_py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_line_that_lost_signs_is_no_card(weekly, monkeypatch):
    monkeypatch.setattr(typesetting, "_hardest", lambda line: line[0].font)
    assert cards.card_of("模型 عربي", weekly) is None


def damaged(folder: Path, table: bytes, change) -> str:
    """Write a font of ours with one table changed; return its name."""
    content = bytearray(Path(fonts_for(settings.NEWSLETTERS["weekly"], "en")[0].path).read_bytes())
    entry = next(at for at in range(12, 12 + 16 * content[5], 16) if content[at : at + 4] == table)
    start, length = (int.from_bytes(content[entry + at : entry + at + 4], "big") for at in (8, 12))
    content[start : start + length] = change(content[start : start + length])
    (folder / "damaged.ttf").write_bytes(content)
    return "damaged.ttf"


@pytest.mark.parametrize("advance", [b"\0\0", b"\xff\xff"], ids=["nothing", "more than a card"])
def test_a_font_whose_letters_are_as_wide_as_nothing_or_a_card_stops_no_send(weekly, tmp_path, advance):
    def wide(metrics: bytes) -> bytes:
        return b"".join(advance + metrics[at + 2 : at + 4] for at in range(0, len(metrics), 4))

    own = replace(weekly, card_font=damaged(tmp_path, b"hmtx", wide))
    card_of("A board that hears, and a title that is longer than one line of a card can be", own)
