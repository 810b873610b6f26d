"""images.lock: what is written there can be read, whatever an address or a link looks like."""

from pathlib import Path

import pytest

from mailer.config.newsletter import NewsletterError
from mailer.content.assets.copies import LOCK, add_to_lock, address_of_copy, read_lock, renew_in_lock

FIRST, SECOND = "0" * 64, "1" * 64
ADDRESS, OTHER = "https://cdn.example/a.png", "https://cdn.example/b.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "weekly"
    folder.mkdir()
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.mark.parametrize(
    "target",
    [
        "HTTP://cdn.example/a.png", "Https://CDN.example/a.png#top", "//cdn.example/a.png", "https://a.example/a b.png",
        "https://a.example/\u2028.png", "https://a.example/\x85\u3000.png", "https://a.example?a=\xa0b",
        "https://a\u3000b.example/a.png", "https://a\u2003b/a.png",
    ],
)  # fmt: skip
def test_each_address_that_is_written_can_be_read(folder, images, target):
    address = address_of_copy(target)
    written = {address: FIRST} if address else {}
    add_to_lock(folder, images, written)
    assert read_lock(folder) == written


def test_the_scheme_of_an_address_may_be_in_any_case(folder):
    assert address_of_copy("HTTP://cdn.example/A.png") == "http://cdn.example/A.png"
    (folder / LOCK).write_text(f"HTTPS://cdn.example/a.png sha256:{FIRST}\n")
    assert read_lock(folder) == {ADDRESS: FIRST}


@pytest.mark.parametrize("name", ["copies.lock", "shared/images.lock", "shared/copies.lock"])
def test_a_link_within_the_folder_is_read_and_written_where_it_leads(folder, images, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(f"{ADDRESS} sha256:{FIRST}\n")
    (folder / LOCK).symlink_to(name)

    renew_in_lock(folder, images, {OTHER: SECOND})

    assert read_lock(folder) == {ADDRESS: FIRST, OTHER: SECOND}
    assert (folder / LOCK).is_symlink()
    assert f"{ADDRESS} sha256:{FIRST}" in (folder / name).read_text()


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_out_of_the_folder_is_refused(folder, images, exists):
    outside = folder.parent / "outside.lock"
    if exists:
        outside.write_text(f"{ADDRESS} sha256:{FIRST}\n")
    (folder / LOCK).symlink_to(outside)

    for use in (lambda: read_lock(folder), lambda: add_to_lock(folder, images, {OTHER: SECOND})):
        with pytest.raises(NewsletterError, match="out of the newsletter's folder; put the file itself there"):
            use()

    assert outside.exists() == exists


def test_a_link_to_itself_is_told(folder, images):
    (folder / LOCK).symlink_to(LOCK)

    with pytest.raises(NewsletterError, match=r"leads nowhere|cannot be read"):
        add_to_lock(folder, images, {OTHER: SECOND})


def test_the_folder_itself_may_be_a_link(folder, images):
    here = folder.parent / "here"
    here.symlink_to(folder)

    add_to_lock(here, images, {OTHER: SECOND})

    assert read_lock(folder) == {OTHER: SECOND}
