"""The archive as files that any web host serves, and that a browser opens without one.

Pages are those of `mailer serve`, with addresses that lead to the files beside them. The same archive gives the same
bytes. Search runs in the browser, because nothing else does there.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from html import escape, unescape
from pathlib import Path
from posixpath import relpath
from urllib.parse import quote, unquote

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import gettext

from mailer.archive import archive_root, entries, newest, page
from mailer.archive.articles import read
from mailer.archive.feeds import LENGTH, Feed, Looks, atom, json_feed
from mailer.archive.listing import Listed, listed, years_of
from mailer.archive.sitemaps import sitemap
from mailer.config.newsletter import Newsletter
from mailer.models import Alias, Media, Send
from mailer.store.installation import public_id
from mailer.web import icons, pages
from subscribers.languages import language_tag
from subscribers.web.pages import newsletter_shown

# Text has no "<", and neither have values; but a value may have ">".
TAG = re.compile(r'<[a-z](?:[^<>"]|"[^"<]*")*>', re.IGNORECASE)
ADDRESS = re.compile(r'(\s(?:href|src|action)=")([^"]*)(")')
SHARED = re.compile(r'(\scontent=")(https?://[^"]*)(")')
STORED = re.compile(r"(?:^|/)(?P<sha256>[0-9a-f]{64})\.(?P<extension>[a-z0-9]{1,8})$")
ICONS = {"favicon.ico": icons.favicon, "apple-touch-icon.png": icons.touch_icon}
# Files at the top, whose names an issue's folder cannot have.
AT_THE_TOP = ("index.html", "search.html", "feed.xml", "feed.json", "sitemap.xml", "apple-touch-icon.png")
LONGEST_NAME = 255  # bytes
STYLE = re.compile(r"[\w-]+[.](?:css|js)")
COLOURS = re.compile(r"[0-9a-f]{6}[.]css")
OF_A_YEAR = re.compile(r"\?year=([0-9]{1,4})")
ENDINGS = {"image/png": "png", "image/svg+xml": "svg", "image/x-icon": "ico", "image/vnd.microsoft.icon": "ico"}


@dataclass
class StaticArchive:
    """The files of a newsletter's archive. `base_url` is where they will be; None: the served archive stays the one
    that search engines, feeds and shared links name.
    """

    newsletter: Newsletter
    base_url: str | None = None  # ends in "/"
    markdown: Mapping[str, bytes] = field(default_factory=dict)  # slug → its source
    left_out: list[str] = field(default_factory=list)  # former addresses that have no page, once files are made
    _wanted: dict[str, Callable[[], bytes]] = field(default_factory=dict)  # path → what it has

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield each file: its path below the folder, and its content."""
        files: set[str] = set()
        folders: set[str] = set()
        for path, content in self._pages():
            files.add(path.casefold())
            folders.update(_above(path))
            yield path, content
        for name, path, content in self._redirects():
            # A file system may not tell cases apart, and a file cannot be where a folder is.
            place, above = path.casefold(), _above(path)
            if place in files | folders or not files.isdisjoint(above) or not all(map(_is_name, path.split("/"))):
                self.left_out.append(name)
                continue
            files.add(place)
            folders.update(above)
            yield path, content

    def _pages(self) -> Iterator[tuple[str, bytes]]:
        self._entries = entries(self.newsletter.label)
        self._slugs = {entry.slug for entry in self._entries}
        self._roots = self._all_roots()
        self._icons = {name: self._icon(name, view) for name, view in ICONS.items()}
        with self._speaking():
            self._years = years_of(self.newsletter.label)
        yield "index.html", self._html("index.html", pages.list_page(self.newsletter))
        for year in self._years.earlier:
            path = _file_of(year)
            yield path, self._html(path, pages.year_page(self.newsletter, year))
        for year, slugs in self._years.slugs.items():
            yield from self._issues(year, slugs)
        asking = pages.frame_page("archive_search_offline", self.newsletter, {"years": [*self._years.slugs]})
        yield "search.html", self._html("search.html", asking)
        yield from self._feeds()
        yield "sitemap.xml", self._sitemap()
        yield ".nojekyll", b""  # GitHub Pages would make pages of the Markdown files
        for path in sorted(self._wanted):
            yield path, self._wanted[path]()

    def _issues(self, year: int, slugs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the pages of a year's issues, and a script with what is searched of them, newest first.

        A script, because a page that was opened as a file may load nothing else.
        """
        searched = []
        for one in listed(self.newsletter.label, slugs):
            slug = one.entry.slug
            if found := page(self.newsletter.label, slug):
                path = f"{_folder(slug)}/index.html"
                yield path, self._html(path, pages.issue_page(self.newsletter, found))
                if source := self.markdown.get(slug):
                    yield f"{_folder(slug)}/index.md", source
                searched.append(self._searched(one, found.article))
        yield f"search/{year}.js", _shard(searched).encode()

    def _searched(self, one: Listed, article: str) -> list[str]:
        entry = one.entry
        language = entry.language or self.newsletter.language
        text = "\n".join([entry.preheader, *read(article).lines])
        with self._speaking():
            day = entry.dated
            shown = date_format(day, gettext("j F Y"))
        return [_folder(entry.slug), entry.title, day.isoformat(), shown, language, one.excerpt, text]

    def _speaking(self) -> AbstractContextManager[object]:
        """Return a block in which days are those of the newsletter, in its language."""
        return pages.speaking(self.newsletter, self.newsletter.language)

    # ------------------------------------------------------------ addresses

    def _all_roots(self) -> tuple[str, ...]:
        """Return under which addresses this installation was, as links in former issues know it."""
        former = Send.objects.filter(newsletter=self.newsletter.label).values_list("base_url", flat=True).distinct()
        return tuple(sorted({settings.BASE_URL, *former}, key=len, reverse=True))

    def _html(self, path: str, response: HttpResponse) -> bytes:
        return self._localised(response.content.decode(), path).encode()

    def _localised(self, html: str, path: str) -> str:
        """Let the addresses in the page at `path` lead to the files beside it."""
        return TAG.sub(lambda tag: self._tag(tag[0], path), html)

    def _tag(self, tag: str, path: str) -> str:
        if tag.startswith("<meta"):
            return SHARED.sub(lambda found: found[1] + escape(self._public(unescape(found[2]))) + found[3], tag)
        if tag.startswith('<form class="search"'):
            return ADDRESS.sub(
                lambda found: f"{found[1]}{relpath('search.html', path.rpartition('/')[0] or '.')}{found[3]}", tag
            )
        if 'rel="canonical"' in tag:
            return ADDRESS.sub(lambda found: found[1] + escape(self._public(unescape(found[2]))) + found[3], tag)
        return ADDRESS.sub(lambda found: found[1] + escape(self._relative(unescape(found[2]), path)) + found[3], tag)

    def _relative(self, address: str, path: str) -> str:
        """Return where `address` leads from the page at `path`: to a file beside it, else to the served pages."""
        beside, sign, anchor = address.partition("#")
        if not beside:
            return address
        if found := self._file(beside):
            start = path.rpartition("/")[0] or "."
            return quote(relpath(found, start), safe="/") + sign + anchor
        return f"{settings.BASE_URL}{address}" if address.startswith("/") and address[1:2] != "/" else address

    def _public(self, address: str) -> str:
        """Return where `address` will be under `base_url`."""
        page_, sign, anchor = address.partition("#")
        found = self._file(page_) if self.base_url and page_ else None
        return f"{self.base_url}{quote(found.removesuffix('index.html'), safe='/')}{sign}{anchor}" if found else address

    def _file(self, address: str) -> str | None:
        """Return the file that an address of ours is, and remember that it is needed; None if it is none."""
        if found := STORED.search(address):
            return self._image(found["sha256"], found["extension"], address)
        path = self._own_path(address)
        if path is None:
            return None
        shown = newsletter_shown(self.newsletter.label)
        if path.startswith(f"{shown.root}archive/"):
            return self._page(path.removeprefix(f"{shown.root}archive/"))
        if path.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
            return self._style(path.rpartition("/")[2])
        if path.startswith("/colours/"):
            name = path.rpartition("/")[2]
            if not COLOURS.fullmatch(name):
                return None
            return self._want(f"assets/{name}", partial(self._colours, name.removesuffix(".css")))
        name = path.removeprefix(shown.root)
        return self._icons.get(name) or (name if name in ("feed.xml", "feed.json") else None)

    def _own_path(self, address: str) -> str | None:
        """Return the path of an address at this installation."""
        for root in self._roots:
            if address.startswith(f"{root}/"):
                return address.removeprefix(root)
        return address if address.startswith("/") and not address.startswith("//") else None

    def _page(self, rest: str) -> str | None:
        """Return the file of what stands below the archive's address: nothing, a year, or a slug."""
        if found := OF_A_YEAR.fullmatch(rest):
            return self._list_of(int(found[1]))
        slug = unquote(rest).removesuffix("/")
        if not slug:
            return "index.html"
        return f"{_folder(slug)}/index.html" if slug in self._slugs else None

    def _list_of(self, year: int) -> str | None:
        if year in self._years.earlier:
            return _file_of(year)
        return "index.html" if year in self._years.slugs else None

    # ------------------------------------------------------------ what pages need

    def _want(self, path: str, content: Callable[[], bytes]) -> str:
        self._wanted.setdefault(path, content)
        return path

    def _image(self, sha256: str, extension: str, address: str) -> str | None:
        ours = self.newsletter.media_url and address.startswith(self.newsletter.media_url)
        if not ours and "/media/" not in address:
            return None
        path = f"media/{sha256}.{extension}"
        if path in self._wanted:
            return path
        kept = Media.objects.filter(sha256=sha256).values_list("content", flat=True)
        # Read when it is written: the images of four hundred issues are more than a small server has memory for.
        return self._want(path, lambda: bytes(kept.get())) if kept.exists() else None

    def _style(self, name: str) -> str | None:
        found = finders.find(name) if STYLE.fullmatch(name) else None
        return self._want(f"assets/{name}", Path(found).read_bytes) if found else None

    def _colours(self, accent: str) -> bytes:
        return _content(pages.colours(_asked(), accent))

    def _icon(self, name: str, view: Callable[..., HttpResponseBase]) -> str:
        response = view(_asked(), self.newsletter.label)
        path = f"{name.rpartition('.')[0]}.{ENDINGS.get(response['Content-Type'].split(';')[0], 'png')}"
        return self._want(path, partial(_content, response))

    # ------------------------------------------------------------ beside the pages

    def _feeds(self) -> Iterator[tuple[str, bytes]]:
        root = self.base_url or archive_root(settings.BASE_URL, self.newsletter.label, list(settings.NEWSLETTERS))
        last = [replace(one, article=self._at_home(one.article)) for one in newest(self.newsletter.label, LENGTH)]
        feed = Feed(self.newsletter, last, root, f"{root}feed.xml", public_id(), self._public_folder)
        accent = self.newsletter.accent_color.removeprefix("#")
        styles = [self._relative(address, "feed.xml") for address in ("/static/feed.css", f"/colours/{accent}.css")]
        with pages.speaking(self.newsletter, self.newsletter.language):
            hint = gettext("This is a feed. Copy its address into a feed reader, and new issues appear there.")
            yield "feed.xml", atom(feed, Looks(styles, hint, gettext("All issues"))).encode()
        yield "feed.json", json_feed(replace(feed, address=f"{root}feed.json")).encode()

    def _at_home(self, article: str) -> str:
        """Return the article with the images and pages that are files here at their public addresses."""

        def public(found: re.Match[str]) -> str:
            return found[1] + escape(self._public(unescape(found[2]))) + found[3]

        return TAG.sub(lambda tag: ADDRESS.sub(public, tag[0]), article)

    def _redirects(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield each former address of an issue, with the page there; a host of files can lead on in no other way."""
        aliases = Alias.objects.filter(newsletter=self.newsletter.label, slug__in=self._slugs).order_by("name")
        titles = {entry.slug: entry.title for entry in self._entries}
        for name, slug in aliases.values_list("name", "slug"):
            path = name.strip("/")
            path = path if path.endswith((".html", ".htm")) else f"{path}/index.html"
            values = {
                "to": self._relative(self._at_root(slug), path),
                "address": self._public(self._at_root(slug)),
                "title": titles[slug],
                "language": language_tag(self.newsletter.language),
            }
            yield name, path, render_to_string("pages/_archive_moved.html", values).encode()

    def _at_root(self, slug: str) -> str:
        root = archive_root(settings.BASE_URL, self.newsletter.label, list(settings.NEWSLETTERS))
        return f"{root}{quote(slug, safe='')}/"

    def _sitemap(self) -> bytes:
        root = self.base_url or archive_root(settings.BASE_URL, self.newsletter.label, list(settings.NEWSLETTERS))
        listed = [(f"{root}{quote(self._public_folder(one.slug), safe='')}/", one.updated) for one in self._entries]
        return sitemap([(root, None), *listed]).encode()

    def _public_folder(self, slug: str) -> str:
        """Return the folder of an issue for programs: under `base_url` it is here, else the served archive has it."""
        return _folder(slug) if self.base_url else slug


def _folder(slug: str) -> str:
    """Return the folder of an issue; a slug of a hundred Chinese characters is longer than a file's name may be."""
    if len(slug.encode()) > LONGEST_NAME:
        short = slug.encode()[: LONGEST_NAME - 17].decode(errors="ignore")
        return f"{short}-{sha256(slug.encode()).hexdigest()[:16]}"
    return f"{slug}_" if slug in AT_THE_TOP or slug.startswith("favicon.") else slug


def _file_of(year: int) -> str:
    """Return the file of the list of a year's issues: in a folder that an issue of any name can share."""
    return f"years/{year}.html"


def _above(path: str) -> set[str]:
    """Return the folders that the file is in."""
    parts = path.casefold().split("/")
    return {"/".join(parts[:number]) for number in range(1, len(parts))}


def _is_name(part: str) -> bool:
    """Tell whether a file may be called so: neither hidden, nor longer than file systems take."""
    return part != "" and not part.startswith(".") and len(part.encode()) <= LONGEST_NAME


def _shard(issues: list[list[str]]) -> str:
    # JSON is JavaScript, except for two line ends in strings that engines of before 2019 took for the end of one.
    written = json.dumps(issues, ensure_ascii=False, separators=(",", ":"))
    return f"archive.take({written.replace(chr(0x2028), ' ').replace(chr(0x2029), ' ')});\n"


def _asked() -> HttpRequest:
    request = HttpRequest()
    request.method = "GET"
    return request


def _content(response: HttpResponseBase) -> bytes:
    assert isinstance(response, HttpResponse)
    return bytes(response.content)
