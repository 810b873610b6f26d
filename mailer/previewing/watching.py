"""Notice when a file is saved. Polling 30 times a second works on any system and file share, for 2 % of a core."""

import threading
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISDIR

from mailer.previewing.drafts import Desk, Draft

EVERY = 0.03  # seconds
SETTLED_AFTER = 0.02  # many editors empty the file first, then write it

Stamp = tuple[int, int, int] | None


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """Return each file's time, size and number: one of them changes with every save. None if a file does not exist."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if S_ISDIR(found.st_mode):
        return None  # a folder changes with each backup copy that an editor writes beside the file
    return found.st_mtime_ns, found.st_size, found.st_ino


class Latest:
    """The newest draft, for threads that wait for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._draft: Draft | None = None
        self._closed = False

    def put(self, draft: Draft) -> None:
        with self._changed:
            self._draft = draft
            self._changed.notify_all()

    def close(self) -> None:
        """Release everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def draft(self) -> Draft | None:
        return self._draft

    def after(self, version: int, seconds: float) -> Draft | None:
        """Return a draft newer than `version` as soon as there is one; None when the time is up."""

        def there() -> bool:
            return self._closed or (self._draft is not None and self._draft.version > version)

        with self._changed:
            found = self._changed.wait_for(there, seconds)
            return self._draft if found and not self._closed else None


class Watcher:
    """Renders the issue at once and after each change, until it is stopped."""

    def __init__(self, desk: Desk, latest: Latest) -> None:
        self._desk, self._latest = desk, latest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="preview", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        seen = self._draw()
        while not self._stop.wait(EVERY):
            if self._desk.copier.news.is_set() or stamps(self._desk.files()) != seen:
                self._wait_until_written()
                seen = self._draw()

    def _draw(self) -> dict[Path, Stamp]:
        """Return the stamps from before rendering, so that a save meanwhile is not missed."""
        self._desk.copier.news.clear()
        self._desk.look()
        before = stamps(self._desk.files())
        self._latest.put(self._desk.draw())
        return before

    def _wait_until_written(self) -> None:
        for _ in range(5):
            before = stamps(self._desk.files())
            if self._stop.wait(SETTLED_AFTER) or stamps(self._desk.files()) == before:
                return
