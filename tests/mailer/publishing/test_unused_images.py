"""images.lock loses what nothing names, and never what an issue shows."""

from pathlib import Path

import pytest

from mailer.content.assets.copies import add_to_lock, keep, read_lock
from mailer.content.markdown import parse
from mailer.publishing.unused_images import forget_images, unused_images


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://a.example/x_y.png", r"![A board](https://a.example/x\_y.png)"),
        ("https://a.example/x.png?a=1&b=2", "<img src='//A.example/x.png?a=1&amp;b=2'>"),
        ("https://a.example/b%20%C3%A9.png", "![A board](<https://a.example/b é.png>)"),
        ("https://a.example/x.png", "![A board][1]\n\n[1]: https://a.example/x.png 'Title'"),
        ("https://xn--fsqu00a.example/x.png", "![A board](https://例子.example/x.png)"),
        ("https://a.example", "![A board](https://a.example)"),
    ],
)
def test_an_image_that_a_text_shows_is_in_use_however_it_is_written(tmp_path: Path, address, text):
    add_to_lock(tmp_path, tmp_path / "images", {address: "0" * 64})
    assert unused_images(tmp_path) == [address]

    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "x.md").write_text(f"# Title\n\n{text}\n", "utf-8")

    assert list(parse(text).images()) or "<img" in text
    assert unused_images(tmp_path) == []


def test_a_logo_and_an_image_of_a_template_are_in_use(tmp_path: Path):
    add_to_lock(tmp_path, tmp_path / "images", {f"https://a.example/{n}.png": "0" * 64 for n in range(3)})
    (tmp_path / "newsletter.toml").write_text('logo = "https://a.example/0.png"', "utf-8")
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "templates" / "email" / "body.mjml").write_text('<mj-image src="https://a.example/1.png" />', "utf-8")

    assert unused_images(tmp_path) == ["https://a.example/2.png"]


def test_a_copy_that_another_address_has_too_is_kept(tmp_path: Path):
    images = tmp_path / "images"
    shared, own = keep(images, b"shared"), keep(images, b"own")
    add_to_lock(
        tmp_path, images, {"https://a.example/1": shared, "https://a.example/2": shared, "https://a.example/3": own}
    )

    forget_images(tmp_path, images, ["https://a.example/2", "https://a.example/3"])

    assert read_lock(tmp_path) == {"https://a.example/1": shared}
    assert ((images / shared).exists(), (images / own).exists()) == (True, False)
