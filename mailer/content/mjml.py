"""Render MJML templates through Django's template engine into HTML that mail clients show.

mrml reads the inside of mj-text as strict markup and fails, or loses text, on what editors write. So content never goes
through it: the template gets a slot's token in its place, and the content is filled in afterwards.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.exceptions import TemplateSyntaxError
from django.utils.safestring import SafeString, mark_safe
from mjml import mjml2html

from mailer.content.colours import palette
from mailer.content.templates import Templates

DEFAULT_ACCENT = "#0a58ca"


class MjmlTemplates(Templates):
    """Django's templates for names that end in .mjml; any other name is left to the next engine."""

    app_dirname = "mjml"

    def get_template(self, template_name: str) -> "MjmlTemplate":  # type: ignore[override]
        if not template_name.endswith(".mjml"):
            raise TemplateDoesNotExist(template_name, backend=self)
        return MjmlTemplate(super().get_template(template_name), template_name)

    def from_string(self, template_code: str) -> "MjmlTemplate":  # type: ignore[override]
        return MjmlTemplate(super().from_string(template_code), "<string>")


class MjmlTemplate:
    """A template whose rendering is a finished HTML email."""

    def __init__(self, template: Any, name: str) -> None:
        self.template, self.name = template, name

    @property
    def origin(self) -> Any:
        return self.template.origin

    def render(self, context: Mapping[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        """Return HTML with doctype and language. `palette` is derived from the context's `accent_color`."""
        values = dict(context or {})
        values.setdefault("palette", palette(values.get("accent_color") or DEFAULT_ACCENT))
        source = self.template.render(values, request)
        return mark_safe(to_html(source, str(self.origin)))  # noqa: S308 — autoescape was on, and mrml escapes


def to_html(source: str, name: str) -> str:
    """Return the HTML of an MJML document."""
    try:
        # fonts={}: by default mrml links a web font, and a mail must load nothing from third parties.
        result = mjml2html(_strict(source), fonts={})
    except (OSError, ValueError) as error:
        raise TemplateSyntaxError(
            f"{name} or a part that it includes is not valid MJML: {_quoting(source, str(error))}"
        ) from error
    # The lower-case doctype puts some clients into quirks mode checks that only know the usual spelling.
    return re.sub(r"\A<!doctype html>", "<!DOCTYPE html>", _lighter(result))


def _quoting(source: str, message: str) -> str:
    """Quote the source where mrml's error points: it counts bytes of the expanded template, which nobody sees."""
    found = re.fullmatch(r"(.*) at position (\d+):(\d+)", message)
    if not found:
        return message
    words = source.encode()[int(found[2]) : int(found[3])].decode(errors="replace")
    return f'{found[1]}: "{words[:60]}"'


def _lighter(page: str) -> str:
    """Remove what no client needs: 200 bytes a card, and Gmail counts them all."""
    page = _without_column_classes(page)
    # Only Outlook reads such comments: Internet Explorer stopped with version 10.
    page = page.replace("<!--[if mso | IE]>", "<!--[if mso]>")
    # Outlook's table around a section may go on into the next one.
    page = page.replace("<![endif]--><!--[if mso]>", "")
    # The page's own dir says it, and `direction:ltr` would turn a Hebrew email around again.
    page = page.replace("direction:ltr;", "").replace("<tbody>", "").replace("</tbody>", "")
    # These repeat defaults, or are for a webmail that no longer exists.
    for needless in ("word-spacing:normal;", " outline: none;", "#outlook a { padding: 0; }\n"):
        page = page.replace(needless, "")
    page = re.sub(r"background:(#[0-9a-f]{6});background-color:\1;", r"background-color:\1;", page)
    return page.replace(';">', '">')


# Outlook 2003's own way with columns, then the two style sheets that give each column its width on wide screens.
_OF_COLUMNS = re.compile(
    r"<!--\[if lte mso 11\]>[^!]*\.mj-outlook-group-fix.*?<!\[endif\]-->\n?|<style[^>]*>[^<]*\.mj-column-[^<]*</style>",
    re.DOTALL,
)


def _without_column_classes(page: str) -> str:
    """Remove the column class if no row has several columns: a lone column has its whole width from its style."""
    lighter = _OF_COLUMNS.sub("", page.replace(' class="mj-outlook-group-fix mj-column-per-100"', ""))
    return page if "mj-column-" in lighter else lighter


def _strict(source: str) -> str:
    """Return source that mrml can read: it counts CR as text (mrml issue 654) and refuses linebreaksbr's `<br>`."""
    return re.sub(r"<br\s*>", "<br />", source.replace("\r\n", "\n").replace("\r", "\n"))


class Slots:
    """Content that must reach the email untouched: `put` gives the token to place, `fill` puts the content there."""

    def __init__(self) -> None:
        self._content: dict[str, str] = {}
        self._mark = f"slot{secrets.token_hex(8)}x"

    def put(self, content: str) -> str:
        token = f"{self._mark}{len(self._content)}e"
        self._content[token] = content
        return token

    def fill(self, page: str) -> str:
        """Replace each token by its content. Raises TemplateSyntaxError for a slot that was not placed."""
        unplaced = [token for token in self._content if token not in page]
        if unplaced:
            shown = self._content[unplaced[0]][:60]
            raise TemplateSyntaxError(f'the email\'s body.mjml has no slot for "{shown}", and all content needs one')
        return re.sub(rf"{self._mark}\d+e", lambda found: self._content[found[0]], page)
