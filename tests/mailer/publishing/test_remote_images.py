"""Copies of remote images: fetched once, named in images.lock, mailed from here."""

import hashlib
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest

from mailer.checks.proofs import Proof
from mailer.config.newsletter import Newsletter, NewsletterError
from mailer.content.assets.copies import LOCK, Failure, add_to_lock, keep, kept, read_lock
from mailer.content.issues import read_issue
from mailer.publishing.errors import CorrectSettings
from mailer.publishing.preparing import Surroundings, findings_of, render
from mailer.publishing.remote_images import copy_images, refresh_images
from tests.image_site import ImageSite, drawn, image_site, loopback

BASE = "https://news.example.com"


@pytest.fixture
def site() -> Iterator[ImageSite]:
    with image_site() as site:
        yield site


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    folder = tmp_path / "weekly"
    folder.mkdir()
    (folder / "newsletter.toml").touch()
    return Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@boards-weekly.press",
        from_name="The Weekly",
        postal_address="1 Harbour Street, Springfield",
        folder=folder,
        remote_images="copy",
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "home" / "images"


@pytest.fixture
def copy(weekly, images) -> Callable[..., dict[str, Failure]]:
    return lambda *addresses: copy_images(weekly, images, addresses, loopback)


@pytest.fixture
def looked_at(weekly, images) -> Callable[..., Proof]:
    """Read and render an issue with these images, as all commands do: without a request."""

    def look(*addresses: str, failures=None, **changes) -> Proof:
        text = "".join(f"![Board number {n}]({address})\n\n" for n, address in enumerate(addresses))
        path = weekly.folder / "2026-11-20.md"
        path.write_text(f"---\npreheader: Three small ones.\n---\n\n# Boards\n\nWords.\n\n{text}")
        around = Surroundings(BASE, rehearsal=True, images=images)
        return render(read_issue(path), replace(weekly, **changes), around, failures)

    return look


def rules(proof: Proof) -> list[str]:
    return [finding.rule for finding in findings_of(proof)]


def lines(newsletter: Newsletter) -> list[str]:
    return [line for line in (newsletter.folder / LOCK).read_text().splitlines() if not line.startswith("#")]


def test_an_image_is_fetched_once_and_mailed_from_here(site, weekly, copy, looked_at):
    address = site.put("/board.png", drawn()) + "?reader=1"

    assert looked_at(address).rendered.uncopied == {address: ""}
    assert copy(address) == {}
    proof = looked_at(address)

    (image,) = proof.rendered.images
    assert f'src="{BASE}/media/{image.name}"' in proof.rendered.html
    assert 'width="40" height="20"' in proof.rendered.article
    assert (proof.rendered.uncopied, rules(proof)) == ({}, [])
    assert site.asked == ["/board.png?reader=1"]
    assert lines(weekly) == [f"{address} sha256:{hashlib.sha256(drawn()).hexdigest()}"]


@pytest.mark.parametrize(
    ("kind", "options", "made"),
    [("WEBP", {"lossless": True}, "png"), ("AVIF", {}, "jpg"), ("JPEG", {}, "jpg"), ("GIF", {}, "gif")],
)
def test_what_outlook_does_not_show_becomes_png_or_jpeg(site, copy, looked_at, kind, options, made):
    address = site.put("/board", drawn(kind=kind, **options))

    copy(address)

    assert [image.extension for image in looked_at(address).rendered.images] == [made]


def test_a_new_image_changes_the_content_but_not_the_source(site, weekly, images, copy, looked_at):
    address = site.put("/board.png", drawn("#0f766e"))
    copy(address)
    before = looked_at(address).rendered
    site.put("/board.png", drawn("#b3261e"))

    (refreshed,) = refresh_images(weekly.folder, images, [address], loopback)

    after = looked_at(address).rendered
    assert (refreshed.changed, refreshed.before is None) == (True, False)
    assert after.content_sha256 != before.content_sha256
    assert after.source_sha256 == before.source_sha256


def test_an_image_that_cannot_be_refreshed_keeps_its_copy(site, weekly, images, copy):
    address = site.put("/board.png", drawn())
    copy(address)
    before = lines(weekly)
    del site.images["/board.png"]

    (refreshed,) = refresh_images(weekly.folder, images, [address], loopback)

    assert refreshed.failure
    assert lines(weekly) == before


def test_images_without_a_copy_are_told_in_one_line(looked_at):
    proof = looked_at(*(f"https://cdn.example/{n}.png" for n in range(39)))

    (finding,) = findings_of(proof)
    assert (finding.rule, finding.severity, finding.line) == ("image-uncopied", "warning", 9)
    assert "39 images from cdn.example not copied yet" in finding.message
    assert "https://cdn.example/0.png" in proof.rendered.html


@pytest.mark.parametrize(
    ("path", "content", "rule", "reason"),
    [
        ("/404", None, "image-missing", "answers 404"),
        ("/410", None, "image-missing", "answers 410"),
        ("/inside", None, "image-missing", "in a private network"),
        ("/page", b"<!DOCTYPE html><title>A board</title>", "image-unreadable", "a web page, not an image"),
        ("/403", None, "image-uncopied", "answers 403"),
        ("/500", None, "image-uncopied", "answers 500"),
        ("/notes.txt", b"Words", "image-uncopied", "is not a PNG, JPEG"),
        ("/cut.png", drawn(), "image-uncopied", "ended early"),
        ("/large.png", b"\x89PNG" + bytes(10 * 1024 * 1024), "image-uncopied", "larger than 10 MB"),
    ],
)
def test_what_cannot_be_fetched_blocks_only_if_nobody_would_see_it(site, copy, looked_at, path, content, rule, reason):
    if content:
        site.put(path, content)
    address = f"{site.url}{path}"

    failures = copy(address)

    assert (failures[address].rule, reason in failures[address].reason) == (rule, True)
    assert failures[address].loses_the_image == (rule != "image-uncopied")
    elsewhere = {"https://cdn.example/a.png": failures[address]}
    (finding,) = findings_of(looked_at("https://cdn.example/a.png", failures=elsewhere))
    assert (finding.rule, finding.line, reason in finding.message) == (rule, 9, True)
    assert finding.severity == ("warning" if rule == "image-uncopied" else "error")


def test_offline_all_images_have_one_line(weekly, images, looked_at, monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    addresses = [f"https://cdn{n}.example/a.png" for n in range(9)]
    monkeypatch.setattr("socket.getaddrinfo", offline)

    (finding,) = findings_of(looked_at(*addresses, failures=copy_images(weekly, images, addresses)))

    assert "9 images from cdn0.example, cdn1.example, cdn2.example and 6 more" in finding.message
    assert "or this machine is offline" in finding.message


def test_only_the_public_internet_is_asked(site, weekly, images):
    address = site.put("/board.png", drawn())

    failures = copy_images(weekly, images, [address])

    assert "in a private network" in failures[address].reason
    assert (site.asked, (weekly.folder / LOCK).exists()) == ([], False)


@pytest.mark.parametrize("login", ["me:secret@", "token@"])
def test_a_password_in_an_address_is_not_written_to_a_file_that_is_committed(site, weekly, copy, login):
    address = site.put("/board.png", drawn()).replace("//", f"//{login}")

    failures = copy(address)

    assert "a user name or password" in failures[address].reason
    assert (site.asked, (weekly.folder / LOCK).exists()) == ([], False)


def test_a_line_of_the_file_that_is_no_address_fails_alone(site, weekly, images):
    board = site.put("/board.png", drawn())

    done = {one.address: one.failure for one in refresh_images(weekly.folder, images, ["http://[bad", board], loopback)}

    assert done["http://[bad"]
    assert "not a web address" in done["http://[bad"].reason
    assert done[board] is None


def test_a_copy_that_is_missing_or_damaged_is_fetched_again(site, weekly, images, copy, looked_at):
    address = site.put("/board.png", drawn())
    copy(address)
    (bytes_kept,) = (path for path in images.iterdir() if path.name != "lock")
    bytes_kept.write_bytes(drawn()[:-1])

    assert looked_at(address).rendered.uncopied == {address: ""}
    assert copy(address) == {}
    assert looked_at(address).rendered.uncopied == {}


def test_an_image_that_is_no_longer_the_one_in_the_file_is_an_error(site, weekly, images, copy, looked_at):
    """The editor committed one image, and the machine that sends would mail another."""
    address = site.put("/board.png", drawn("#0f766e"))
    copy(address)
    for path in images.iterdir():
        path.unlink()
    site.put("/board.png", drawn("#b3261e"))

    failures = copy(address)

    assert "image-changed" in rules(looked_at(address, failures=failures))
    assert f"mailer images refresh {address}" in failures[address].fix
    assert [path.name for path in images.iterdir()] == []


def test_two_commands_at_once_lose_nothing(site, weekly, images):
    addresses = [site.put(f"/{n}.png", drawn(f"#0f76{n:02d}")) for n in range(8)]
    together = Barrier(2)

    def command(mine: list[str]) -> None:
        together.wait()
        for address in mine:
            assert copy_images(weekly, images, [address], loopback) == {}

    both = [Thread(target=command, args=(mine,)) for mine in (addresses[:5], addresses[3:])]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert set(read_lock(weekly.folder)) == set(addresses)
    assert lines(weekly) == sorted(lines(weekly))


def test_bytes_of_a_process_that_was_killed_before_it_named_them_harm_nothing(site, weekly, images, copy, looked_at):
    address = site.put("/board.png", drawn())
    keep(images, drawn())
    (weekly.folder / f".{LOCK}.1-abc").write_text("half")

    assert looked_at(address).rendered.uncopied == {address: ""}
    assert copy(address) == {}
    assert set(read_lock(weekly.folder)) == {address}


def test_what_the_file_says_first_stays_until_it_is_refreshed(weekly, images):
    digests = [keep(images, drawn(colour)) for colour in ("#0f766e", "#b3261e")]
    add_to_lock(weekly.folder, images, {"https://cdn.example/a.png": digests[0]})

    assert add_to_lock(weekly.folder, images, {"https://cdn.example/a.png": digests[1]}) == {
        "https://cdn.example/a.png": digests[0]
    }


def test_the_file_keeps_the_permissions_that_it_had(site, weekly, copy):
    """It is committed: others of the group read it from a shared folder."""
    copy(site.put("/board.png", drawn()))
    (weekly.folder / LOCK).chmod(0o640)

    copy(site.put("/other.png", drawn("#b3261e")))

    assert (weekly.folder / LOCK).stat().st_mode & 0o777 == 0o640
    assert {path.name for path in weekly.folder.iterdir()} == {"newsletter.toml", LOCK}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<<<<<<< HEAD\n", ":1 this line is not an address"),
        (f"https://a.example/ sha256:{'0' * 64}\nhttps://a.example/ sha256:{'1' * 64}\n", ":2 this line names an"),
        ("# fine\nhttps://a.example/ sha256:12\n", ":2 this line is not an address"),
    ],
)
def test_a_file_that_was_merged_badly_is_told_by_its_line(weekly, looked_at, text, what):
    (weekly.folder / LOCK).write_text(text)

    with pytest.raises(NewsletterError, match=re.escape(f"{LOCK}{what}")):
        looked_at("https://a.example/")


def test_a_file_with_the_line_ends_of_windows_is_read(weekly):
    (weekly.folder / LOCK).write_bytes(f"\ufeff# x\r\nhttps://a.example/ sha256:{'0' * 64}\r\n".encode())
    assert read_lock(weekly.folder) == {"https://a.example/": "0" * 64}


def test_a_folder_that_cannot_be_written_is_told(site, weekly, images, copy, monkeypatch):
    address = site.put("/board.png", drawn())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("mailer.content.assets.copies._replace", refuse)
    with pytest.raises(CorrectSettings, match=r"images\.lock cannot be written \(Read-only file system\)"):
        copy(address)


def test_a_site_that_does_not_answer_is_asked_twice_and_no_more(weekly, images, monkeypatch):
    asked = []

    def nobody(places: object) -> None:
        asked.append(places)
        raise OSError("no answer")

    monkeypatch.setattr("mailer.checks.visiting._connect", nobody)
    failures = copy_images(weekly, images, [f"http://127.0.0.1:9/{n}.png" for n in range(5)], loopback)

    assert (len(failures), len(asked)) == (5, 2)


def test_an_answer_that_drips_is_given_up(site, copy, monkeypatch):
    monkeypatch.setattr("mailer.publishing.remote_images._ImageVisitor.deadline", 0.0)
    address = site.put("/board.png", drawn())

    assert "no complete answer within" in copy(address)[address].reason


def test_a_remote_logo_is_copied_too(site, copy, looked_at, weekly, images):
    address = "https://cdn.example/logo.png"
    digest = keep(images, drawn())

    assert looked_at(logo=address).rendered.uncopied == {address: ""}
    add_to_lock(weekly.folder, images, {address: digest})
    rendered = looked_at(logo=address).rendered

    assert address not in rendered.html
    assert len(rendered.images) == 1


def test_images_may_be_served_from_an_address_of_their_own(looked_at, weekly, images):
    add_to_lock(weekly.folder, images, {"https://cdn.example/a.png": keep(images, drawn())})

    rendered = looked_at("https://cdn.example/a.png", media_url="https://img.example.com/weekly/").rendered

    assert f'src="https://img.example.com/weekly/{rendered.images[0].name}"' in rendered.html


def test_copies_are_kept_under_their_own_hash(images):
    digest = keep(images, b"bytes")
    assert (kept(images, digest), kept(images, ""), kept(images, "0" * 64)) == (b"bytes", None, None)
    assert keep(images, b"bytes") == digest
