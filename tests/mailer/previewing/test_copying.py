"""Remote images of a draft are copied beside the watcher, once, and the page shows what became of them."""

from functools import partial
from pathlib import Path

import pytest

from mailer.config.newsletter import Newsletter
from mailer.content.assets.copies import LOCK, Failure
from mailer.previewing.copying import Copier
from mailer.previewing.drafts import Desk, Sources
from mailer.previewing.watching import Latest, Watcher
from mailer.publishing.errors import CorrectSettings
from mailer.publishing.preparing import Surroundings
from mailer.publishing.remote_images import copy_images
from tests.image_site import drawn, image_site, loopback
from tests.mailer.previewing.conftest import BASE, CONFIG, ISSUE

PATIENCE = 60.0
ADDRESS = "https://cdn.example/a.png"
WEEKLY = Newsletter(label="weekly", name="The Weekly", from_email="editor@news.example.com", folder=Path("/nowhere"))


def test_the_page_shows_the_copy_as_soon_as_it_is_there(folder, file, settings, tmp_path):
    images = tmp_path / "home" / "images"
    (folder / "newsletter.toml").write_text(f'{CONFIG}remote_images = "copy"\n')
    with image_site() as site:
        address = site.put("/board.png", drawn())
        file.write_text(f"{ISSUE}\n![Another board]({address})\n")
        sources = Sources(folder / "newsletter.toml", tuple(settings.TEMPLATE_FOLDERS))
        desk = Desk(file, sources, Surroundings(BASE, rehearsal=True, images=images))
        desk.copier = Copier(images, partial(copy_images, may_connect=loopback))
        latest = Latest()
        watcher = Watcher(desk, latest)
        watcher.start()
        draft = latest.after(0, PATIENCE)
        while draft and len(draft.rendered.images) < 2:
            draft = latest.after(draft.version, PATIENCE)
        watcher.stop()

    assert draft, "the copy never came"
    assert (folder / LOCK).exists()
    assert site.asked == ["/board.png"]


@pytest.fixture
def tried():
    return []


@pytest.fixture
def copier(tried, tmp_path):
    def fail(newsletter: Newsletter, images: Path, addresses: list[str]) -> dict[str, Failure]:
        tried.append(list(addresses))
        return {address: Failure("no answer within 10 seconds", "") for address in addresses}

    return Copier(tmp_path, fail)


def test_what_could_not_be_copied_is_not_asked_for_at_each_save(copier, tried):
    for _ in range(3):
        copier.want(WEEKLY, [ADDRESS])
        assert copier.news.wait(PATIENCE)
    assert tried == [[ADDRESS]]
    assert copier.failures[ADDRESS].reason == "no answer within 10 seconds"


def test_a_save_later_asks_for_it_again(copier, tried, monkeypatch):
    copier.want(WEEKLY, [ADDRESS])
    assert copier.news.wait(PATIENCE)
    copier.news.clear()
    monkeypatch.setattr("mailer.previewing.copying.AGAIN", 0.0)

    assert copier.failures == {}
    copier._thread.join()
    copier.want(WEEKLY, [ADDRESS])

    assert copier.news.wait(PATIENCE)
    assert tried == [[ADDRESS], [ADDRESS]]


def test_a_folder_that_cannot_be_written_is_told_on_the_page(tmp_path):
    def refuse(*_: object) -> dict[str, Failure]:
        raise CorrectSettings("images.lock cannot be written")

    copier = Copier(tmp_path, refuse)
    copier.want(WEEKLY, [ADDRESS])

    assert copier.news.wait(PATIENCE)
    assert copier.failures[ADDRESS].reason == "images.lock cannot be written"


def test_a_failure_that_nobody_foresaw_is_told_on_the_page_and_not_tried_at_each_save(tmp_path):
    def fail(*_: object) -> dict[str, Failure]:
        raise ZeroDivisionError

    copier = Copier(tmp_path, fail)
    with pytest.raises(ZeroDivisionError):  # which a thread prints
        copier._run(WEEKLY, tmp_path, [ADDRESS])

    assert copier.news.is_set()
    assert "the terminal says why" in copier.failures[ADDRESS].reason
