# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""Copies of remote images, as an editor meets them on the command line."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mailer.content.assets.copies import LOCK, read_lock
from mailer.models import Media, Send
from mailer.publishing.remote_images import copy_images, refresh_images
from mailer.worker.sweeping import sweep
from tests import readers
from tests.image_site import ImageSite, drawn, image_site, loopback
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(monkeypatch) -> Iterator[ImageSite]:
    """Let commands fetch images from this machine, and from nowhere else."""
    monkeypatch.setattr("mailer.publishing.remote_images.copy_images", partial(copy_images, may_connect=loopback))
    monkeypatch.setattr("mailer.publishing.remote_images.refresh_images", partial(refresh_images, may_connect=loopback))
    with image_site() as site:
        yield site


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    """Let the newsletter copy remote images, with a folder and a MAILER_HOME of its own."""
    settings.HOME = tmp_path / "home"
    copying = replace(settings.NEWSLETTERS["weekly"], folder=tmp_path, remote_images="copy")
    settings.NEWSLETTERS = {"weekly": copying}
    return tmp_path


@pytest.fixture
def board(site, issue) -> Path:
    """Write an issue with a picture of the site."""
    address = site.put("/board.png", drawn())
    return issue(f"---\ndate: {date.today()}\n---\n# The Weekly\n\nFirst lines.\n\n![A board]({address})\n")


def test_only_commands_that_send_or_show_fetch(run, folder, board, site, tmp_path):
    assert run("check", board).code in (0, 3)
    run("render", board, "-o", tmp_path / "out")
    assert (site.asked, (folder / LOCK).exists()) == ([], False)


def test_a_send_mails_the_copy_and_a_refresh_is_no_changed_file(run, folder, board, site, api):
    sweep()
    readers.confirmed()

    sent = run("send", "issue", board, "--yes")
    assert (sent.code, "copying 1 remote image" in sent.err) == (0, True)
    image = Media.objects.get(width=40)  # not the card
    assert f"/media/{image.sha256}.png" in Send.objects.get().html

    site.put("/board.png", drawn("#b3261e"))
    refreshed = run("images", "refresh")
    assert refreshed.code == 0
    assert f"changed  {site.url}/board.png  40 × 20, 1 kB → 40 × 20, 1 kB" in refreshed.out
    assert "1 changed, 0 as before, 0 failed." in refreshed.out

    again = run("send", "issue", board, "--yes")
    assert (again.code, Send.objects.count()) == (0, 1)
    assert f"/media/{image.sha256}.png" in Send.objects.get().html
    assert site.asked == ["/board.png"] * 2


def test_a_test_is_sent_with_the_copy(run, folder, board, site, api):
    tested = run("send", "test", board, "--to", "editor@example.com")
    assert tested.code == 0
    assert "/media/" in api.accepted[0]["content"]["text/html"]
    assert list(read_lock(folder)) == [f"{site.url}/board.png"]


def test_a_real_send_stops_if_there_is_no_such_image(run, folder, board, site, api):
    sweep()
    readers.confirmed()
    site.images.clear()

    refused = run("send", "issue", board, "--yes")

    assert (refused.code, Send.objects.exists()) == (3, False)
    assert "image-missing" in refused.err
    assert "answers 404: there is no such image" in refused.err


def test_a_refresh_that_fails_keeps_the_copy_and_ends_with_1(run, folder, board, site, api):
    run("send", "test", board, "--to", "editor@example.com")
    site.images.clear()

    failed = run("images", "refresh")

    assert failed.code == 1
    assert "answers 404: there is no such image; the former copy stays" in failed.out
    assert list(read_lock(folder)) == [f"{site.url}/board.png"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "images.lock names no image"), (("https://cdn.example/a.png",), "images.lock names no image")],
)
def test_there_is_nothing_to_refresh_without_copies(run, folder, arguments, says):
    refused = run("images", "refresh", *arguments)
    assert (refused.code, says in refused.err) == (2, True)


def test_an_address_that_was_never_copied_is_refused(run, folder, board, site, api):
    run("send", "test", board, "--to", "editor@example.com")
    refused = run("images", "refresh", "https://cdn.example/a.png")
    assert (refused.code, "https://cdn.example/a.png is not in" in refused.err) == (2, True)


@pytest.mark.parametrize(
    "command",
    [("send", "issue", "--dry-run", "--ignore", "image-missing"), ("send", "test", "--to", "editor@example.com")],
)
def test_why_an_image_was_not_copied_is_said_where_it_was_tried(run, folder, issue, site, api, command):
    """`mailer check` never fetches, so it cannot say so."""
    file = issue(f"---\ndate: {date.today()}\n---\n# The Weekly\n\nFirst lines.\n\n![A board]({site.url}/403)\n")
    readers.confirmed()

    said = run(*command[:2], file, *command[2:]).err

    assert re.search(
        r"2026-11-20.md:8:1 warning image-uncopied an image from 127.0.0.1 not copied: .* answers 403", said
    )


def test_a_rendered_file_shows_its_images_without_a_server(run, issue, tmp_path):
    file = issue("# The Weekly\n\nFirst lines.\n\n![A board](board.png)\n")
    (file.parent / "board.png").write_bytes(drawn())
    rendered = run("render", file, "--newsletter", "weekly", "-o", tmp_path / "out")
    assert rendered.code == 0, rendered.err

    html = (tmp_path / "out" / f"{file.stem}.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img[^>]* src="([^"]+)"', html)
    assert [(tmp_path / "out" / source).is_file() for source in sources] == [True]
    assert "/media/" not in html.replace('src="media/', "")


def test_images_that_nothing_names_any_more_are_removed_if_one_agrees(run, folder, board, site, api):
    run("send", "test", board, "--to", "editor@example.com")
    assert "Each image in images.lock is in use." in run("images", "prune").out
    digest = read_lock(folder)[f"{site.url}/board.png"]
    board.write_text(board.read_text("utf-8").replace("board.png", "other.png"), "utf-8")

    asked = run("images", "prune")
    assert (asked.code, f"{site.url}/board.png" in asked.out, len(read_lock(folder))) == (4, True, 1)

    pruned = run("images", "prune", "--yes")
    assert (pruned.code, "1 removed; commit images.lock." in pruned.out) == (0, True)
    assert (read_lock(folder), (folder / "home" / "images" / digest).exists()) == ({}, False)
