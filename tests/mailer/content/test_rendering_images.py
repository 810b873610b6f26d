"""An editor's image files on their way into an email."""

import contextlib
import io
import random
import re
import zlib
from pathlib import Path

import pytest
from PIL import Image as Pillow

from mailer.content.assets import svg
from mailer.content.assets.images import Image, ImageError, read_image


def photo(width: int, height: int, mode: str = "RGB") -> Pillow.Image:
    noise = random.Random(7).randbytes(64 * 64 * 3)
    return Pillow.frombytes("RGB", (64, 64), noise).resize((width, height)).convert(mode)


def saved(picture: Pillow.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def frames(kind: str, count: int = 3, **options) -> bytes:
    pictures = [Pillow.new("RGB", (30, 20), (80 * number, 90, 120)) for number in range(count)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=100, **options)


@pytest.fixture
def read(tmp_path: Path):
    def read_bytes(content: bytes | str, name: str = "a.png") -> Image:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_image(name, tmp_path, tmp_path)

    return read_bytes


def opened(image: Image) -> Pillow.Image:
    picture = Pillow.open(io.BytesIO(image.content))
    assert picture.size == (image.width, image.height)
    return picture


def exif(orientation: int) -> Pillow.Exif:
    tags = Pillow.Exif()
    tags[0x010F] = "SecretCamera"
    tags[0x0112] = orientation
    return tags


def test_what_a_camera_wrote_is_gone_and_the_pixels_are_the_same(read):
    written = saved(photo(200, 100), "JPEG", exif=exif(1), comment=b"SecretComment")

    image = read(written + b"SecretTail")

    assert b"Secret" not in image.content
    assert opened(image).tobytes() == Pillow.open(io.BytesIO(written)).tobytes()
    assert len(image.content) < len(written)


def test_a_photo_held_upright_is_upright(read):
    image = read(saved(photo(200, 100), "JPEG", exif=exif(6)))

    assert (image.width, image.height) == (100, 200)
    assert not opened(image).getexif()


@pytest.mark.parametrize(("alpha", "made"), [(255, "jpg"), (128, "png")])
def test_an_avif_becomes_what_all_clients_show(read, alpha, made):
    picture = photo(200, 100, "RGBA")
    picture.putalpha(alpha)
    image = read(saved(picture, "AVIF"), "a.avif")
    assert (image.extension, image.width, image.height) == (made, 200, 100)
    opened(image)


def test_a_png_loses_its_metadata_and_keeps_its_pixels(read):
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Author", "SecretName")
    written = saved(photo(50, 40, "RGBA"), "PNG", pnginfo=words, exif=exif(1))

    image = read(written)

    assert b"Secret" not in image.content
    assert opened(image).tobytes() == Pillow.open(io.BytesIO(written)).tobytes()


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P")]
)
def test_a_wide_image_is_scaled(read, kind, mode):
    image = read(saved(photo(3000, 1500, mode), kind))

    assert (image.width, image.height) == (1280, 640)
    assert opened(image).mode in ("RGB", "RGBA", "L", "P")


@pytest.mark.parametrize(("kind", "extension"), [("GIF", "gif"), ("PNG", "png")])
def test_an_animation_stays_one(read, kind, extension):
    options = {"comment": b"SecretComment", "loop": 0} if kind == "GIF" else {"exif": exif(1)}
    image = read(frames(kind, **options), f"a.{extension}")

    assert image.extension == extension
    assert (opened(image).n_frames, opened(image).is_animated) == (3, True)
    assert opened(image).info["loop"] == 0
    assert b"Secret" not in image.content


@pytest.mark.parametrize(
    ("picture", "options", "becomes"),
    [
        (photo(60, 40), {"quality": 70}, "JPEG"),
        (photo(60, 40), {"lossless": True}, "PNG"),
        (Pillow.new("RGBA", (60, 40), (9, 99, 9, 99)), {"quality": 70}, "PNG"),
    ],
)
def test_webp_becomes_what_mail_clients_show(read, picture, options, becomes):
    assert opened(read(saved(picture, "WEBP", **options), "a.webp")).format == becomes


def test_an_animated_webp_becomes_a_gif(read):
    image = read(frames("WEBP"), "a.webp")

    assert (opened(image).format, opened(image).n_frames) == ("GIF", 3)


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size}>{inside}</svg>'
BOX = '<rect width="10" height="10" fill="#f00"/>'


@pytest.mark.parametrize(
    ("size", "pixels", "density"),
    [
        ('viewBox="0 0 100 50"', (200, 100), 2),
        ('width="100" height="50"', (200, 100), 2),
        ('width="1in" viewBox="0 0 10 10"', (192, 192), 2),
        ('width="100%" viewBox="0 0 4000 2000"', (1280, 640), 1),
        ('viewBox="0 0 900 450"', (1280, 640), 1),
    ],
)
def test_a_drawing_becomes_a_png(read, size, pixels, density):
    image = read(SVG.format(size=size, inside=BOX), "a.svg")

    assert (image.width, image.height, image.density, image.extension) == (*pixels, density, "png")
    assert opened(image).convert("RGBA").getpixel((1, 1)) == (255, 0, 0, 255)


AGAIN = "".join(f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("<text>hi</text>", "contains text"),
        ('<image href="/etc/passwd"/>', "not embedded"),
        ('<image xlink:href="https://a.example/x.png"/>', "not embedded"),
        ('<feImage href="../x.png"/>', "not embedded"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "not embedded"),
        ('<image href="data:image/png;base64,AAAA"/>', "a damaged image"),
        ("<g>", "not a readable SVG"),
        (f'<g id="a0">{BOX}</g>{AGAIN}', "limit reached"),
    ],
)
def test_a_drawing_that_is_not_safe_or_not_the_same_everywhere_is_refused(read, inside, says):
    with pytest.raises(ImageError, match=says):
        read(SVG.format(size='viewBox="0 0 10 10"', inside=inside), "a.svg")


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg viewBox="0 0 1 1"><desc>&b;</desc></svg>',
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg viewBox="0 0 1 1"><desc>&x;</desc></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 9000000"/>',
        '<svg width="1e300" height="1"/>',
        "<svg/>",
    ],
)
def test_a_hostile_drawing_is_refused(read, document):
    with pytest.raises(ImageError):
        read(document, "a.svg")


# Each asks for much more than it says, in a way of its own.
MASKED = '<rect width="9" height="9" style="mask:url(#m{})"/>'
MASKS = "".join(f'<mask id="m{n}">{MASKED.format(n + 1) * 9}</mask>' for n in range(9))
BLURS = "".join(f'<feGaussianBlur stdDeviation="{n}"/>' for n in range(20, 220))
FILTERED = '<filter id="f">{}</filter><rect width="90" height="90" filter="url(#f)"/>'


@pytest.mark.slow
@pytest.mark.parametrize(
    "inside",
    [
        FILTERED.format('<feTurbulence baseFrequency=".9" numOctaves="9999999"/>'),
        pytest.param(FILTERED.format(BLURS), marks=pytest.mark.slow),
        f'<g style="filter:{"blur(9px) " * 200}"><rect width="90" height="90"/></g>',
        pytest.param(MASKS + MASKED.format(0), marks=pytest.mark.slow),
    ],
    ids=["one filter", "many filters", "style", "masks of a style"],
)
def test_a_drawing_that_takes_too_much_is_stopped_whatever_it_asks_for_and_not_tried_again(read, monkeypatch, inside):
    document = SVG.format(size='viewBox="0 0 640 640"', inside=f'<g transform="scale(6)">{inside}</g>')
    with pytest.raises(ImageError) as error:
        read(document, "a.svg")
    assert error.value.rule == "image-too-complex"
    monkeypatch.setattr(svg, "to_png", lambda *_: pytest.fail("drawn again"))
    with pytest.raises(ImageError, match=re.escape('"b.svg"')):
        read(document, "b.svg")


@pytest.mark.parametrize("size", ['width="{}" height="1"', 'viewBox="0 0 1 {}"', 'width="1" height="{}x"'])
def test_a_number_of_any_length_is_read_at_once(read, size):
    """A backtracking pattern took hours."""
    with pytest.raises(ImageError):
        read(SVG.format(size=size.format("1" * 100_000), inside=BOX), "a.svg")


def png_claiming(width: int, height: int) -> bytes:
    content = saved(Pillow.new("1", (8, 8)), "PNG")
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


def test_a_bomb_is_refused_before_it_is_decoded(read, monkeypatch):
    bomb = png_claiming(5000, 5000)
    monkeypatch.setattr(Pillow.Image, "load", lambda *_: pytest.fail("decoded"))

    with pytest.raises(ImageError, match="too many pixels") as error:
        read(bomb)

    assert error.value.rule == "image-too-large"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_cut_or_bent_anywhere_is_refused_or_read_but_never_a_crash(read, kind):
    whole = saved(photo(40, 30), kind)
    chance = random.Random(1)
    for cut in range(0, len(whole), max(1, len(whole) // 60)):
        bent = bytearray(whole)
        bent[cut] ^= chance.randrange(1, 256)
        for content in (whole[:cut], bytes(bent)):
            with contextlib.suppress(ImageError):
                opened(read(content))


def test_the_same_file_gives_the_same_bytes_anew(read, monkeypatch):
    from mailer.content.assets import images

    content = saved(photo(2000, 900), "WEBP", quality=60)
    first = read(content)
    images._done.clear()

    assert read(content) == first
    assert read(content) is read(content)


@pytest.mark.parametrize(
    ("size", "style", "shown"),
    [
        ((400, 100), "zoom:50%;", 200),
        ((400, 100), "zoom: 0.25", 100),
        ((400, 100), "zoom:200%", 400),  # no image is blown up
        ((2600, 200), "zoom:20%", 520),  # of the file as it was, not of what an email takes of it
        ((2600, 200), "zoom:50%", 576),
        ((400, 100), "width:100px; zoom:50%", 50),
    ],
)
def test_an_image_is_as_wide_as_typora_shows_it(rendered, tmp_path, size, style, shown):
    (tmp_path / "a.png").write_bytes(saved(photo(*size), "PNG"))
    page = rendered(f'# Title\n\n<img src="../a.png" alt="A kiln" style="{style}" />\n').html
    (image,) = re.findall(r"<img [^>]*A kiln[^>]*>", page)
    assert f'width="{shown}"' in image


def test_an_image_of_another_site_is_zoomed_from_the_width_of_the_column(rendered):
    page = rendered('# Title\n\n<img src="https://a.example/a.png" alt="A kiln" style="zoom:25%">\n').html
    (image,) = re.findall(r"<img [^>]*A kiln[^>]*>", page)
    assert 'width="144"' in image
