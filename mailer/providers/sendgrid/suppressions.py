"""SendGrid's own lists: it accepts email to an address on one, and drops it after a 202."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mailer.providers.answers import Unreachable
from mailer.providers.protocol import NotReleased
from mailer.providers.sendgrid.account import ask
from mailer.providers.sendgrid.client import Client

PAGE = 500  # the most that SendGrid gives, or takes, at once
MOST_PAGES = 10_000


class SendGridSuppressions:
    lists: Mapping[str, str] = {"bounces": "bounce", "invalid_emails": "bounce", "spam_reports": "complaint"}

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client

    def pages(self, name: str) -> Iterator[tuple[list[str], bool]]:
        """Yield the addresses of a list, and whether that is the last page. Raises Unseen."""
        before: list[str] = []
        for number in range(MOST_PAGES):
            page = self._page(name, number * PAGE)
            if not page or page == before:  # a list without offsets would return the same page forever
                return
            yield page, len(page) < PAGE
            if len(page) < PAGE:
                return
            before = page

    def _page(self, name: str, offset: int) -> list[str]:
        answer: Any = ask(self._client, f"/v3/suppression/{name}?limit={PAGE}&offset={offset}")
        found = answer if isinstance(answer, list) else []
        return [str(one.get("email")) for one in found if isinstance(one, dict)]

    def release(self, emails: Collection[str], reason: str) -> None:
        """Take the addresses off the lists for this reason. Raises NotReleased."""
        for name, because in self.lists.items():
            if because == reason:
                self._delete(name, list(emails))

    def _delete(self, name: str, emails: list[str]) -> None:
        path = f"/v3/suppression/{name}"
        for start in range(0, len(emails), PAGE):
            some = emails[start : start + PAGE]
            try:
                if len(some) == 1:
                    status, answer = self._client().delete(f"{path}/{quote(some[0], safe='@')}")
                else:
                    status, answer = self._client().delete(path, {"emails": some})
            except Unreachable as error:
                raise NotReleased(f"SendGrid cannot be reached: {error}") from error
            if status not in (200, 204, 404):  # 404: it is not on the list
                raise NotReleased(
                    f"SendGrid keeps it on its own list and drops emails to it ({status}: {_without(some, answer)}); "
                    f"delete it there under Suppressions, or give the key the suppression.{name}.delete scope"
                )


def _without(emails: list[str], answer: object) -> str:
    """Return what the provider says, which may quote an address."""
    said = str(answer)
    for email in emails:
        said = said.replace(email, "…")
    return said[:200]
