"""Copy the remote images of a draft in a thread of its own: a slow site must not keep a save from being shown."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mailer.config.newsletter import Newsletter, NewsletterError
from mailer.content.assets.copies import Failure
from mailer.publishing.errors import CorrectSettings
from mailer.publishing.remote_images import copy_images

AGAIN = 60.0  # seconds after which a save asks for an image again that could not be copied


class Copier:
    """Copies what a draft lacks. `news` is set when the draft should be rendered again."""

    def __init__(
        self,
        images: Path | None,
        copy: Callable[[Newsletter, Path, Iterable[str]], dict[str, Failure]] = copy_images,
    ) -> None:
        self.news = threading.Event()
        self._images, self._copy = images, copy
        self._failures: dict[str, Failure] = {}
        self._tried: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    @property
    def failures(self) -> Mapping[str, Failure]:
        """Return what could not be copied a short time ago."""
        return {address: failure for address, failure in self._failures.items() if self._was_tried(address)}

    def want(self, newsletter: Newsletter, addresses: Iterable[str]) -> None:
        """Begin to copy these images, unless that is under way or was tried a short time ago."""
        missing = [address for address in addresses if not self._was_tried(address)]
        if not missing or self._images is None or (self._thread and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._run, args=(newsletter, self._images, missing), daemon=True)
        self._thread.start()

    def _was_tried(self, address: str) -> bool:
        return address in self._tried and time.monotonic() - self._tried[address] < AGAIN

    def _run(self, newsletter: Newsletter, images: Path, missing: list[str]) -> None:
        failures = dict.fromkeys(missing, Failure("copying failed; the terminal says why", "try again later"))
        try:
            failures = self._copy(newsletter, images, missing)
        except (CorrectSettings, NewsletterError) as error:
            failures = dict.fromkeys(missing, Failure(str(error), ""))
        finally:  # else each save would try, and fail, again
            tried = dict.fromkeys(missing, time.monotonic())
            kept = {address: one for address, one in self._failures.items() if address not in tried}
            self._failures, self._tried = kept | failures, self._tried | tried
            self.news.set()
