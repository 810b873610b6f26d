"""Find links that no subscriber can open, or that were made for somebody else."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mailer.checks.hosts import host_of, is_local, why_broken
from mailer.checks.personal import behind, password_in, whose
from mailer.checks.proofs import Link, Proof, shortened
from mailer.checks.words import BLANK_TARGET
from mailer.content.assets.meant import address_meant, host_meant
from mailer.content.findings import Finding


def look(proof: Proof) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    lines = proof.document.source.split("\n")
    for link in proof.links:
        # "[words](https://exam ple.org)" is not a link, and reported as one that was meant.
        was_meant = link.bare and lines[link.line][: link.column].endswith(("](", "](<"))
        for rule, message, fix in _one(proof, link):
            if was_meant and rule in ("link-broken", "link-local"):
                continue
            if rule == "link-broken" and _is_told(proof, link):
                continue
            if (rule, link.target) not in seen:  # the same address twice is one mistake
                seen.add((rule, link.target))
                yield proof.finding(link.line, link.column, rule, message, fix)


def _is_told(proof: Proof, link: Link) -> bool:
    """Tell whether the renderer removed the link, because it is no address at all."""
    place = (proof.issue.body_line + link.line, link.column + 1)
    rules = ("relative-left", "unsafe-target", "placeholder-left")
    return any(told.rule in rules and (told.line, told.column) == place for told in proof.rendered.findings)


def _one(proof: Proof, link: Link) -> Iterator[tuple[str, str, str]]:
    """Return (rule, message, fix) of each problem with where a link leads."""
    target, named = link.target, f'the address "{shortened(link.target, 70)}"'
    if BLANK_TARGET.fullmatch(target) or re.search(r"\{[{%]|%7B%7B", target):
        return  # a placeholder, and told as one
    if why := why_broken(target):
        yield "link-broken", f"{named} {why}, so nobody can open it", "correct it, and try it in a browser"
    elif fix := _without_scheme(proof, target):
        yield "relative-left", f"{named} would be looked for in the newsletter's folder", f"write {fix}"
    elif why := whose(target, proof.base_url):
        yield "link-private", f"{named} is {why}", "remove it, or link to a page that is for everybody"
    elif not _is_shown(link):
        yield from _of_one_place(link, named)
    if (address := behind(target)) is not None:
        fix = f"write {shortened(address, 200)}" if address else "open it, and copy the address that it leads to"
        yield "link-redirect", f"{named} only leads on, and may tell others who you are or whom it was sent to", fix


def _of_one_place(link: Link, named: str) -> Iterator[tuple[str, str, str]]:
    if password_in(link.target):
        yield "link-private", f"{named} tells every subscriber a password", "remove name and password before the @"
    if is_local(host_of(link.target)):
        what = f"{named} exists only on your machine or in your network, so no subscriber can open it"
        yield "link-local", what, "give the public address, or write it as `code` if it is an example"


def _is_shown(link: Link) -> bool:
    """Tell whether the text is about the address: a manual shows <http://localhost:8000>, and means it."""
    host, words = host_of(link.target), link.words.lower()
    return not link.bare and (bool(host) and host in words and ("." in host or host == "localhost" or "//" in words))


def _without_scheme(proof: Proof, target: str) -> str:
    """Return what a relative address was meant to be; "" if it is meant as it is, or is not relative."""
    meant, host = address_meant(target), host_meant(target)
    return "" if host and _is_here(proof, host) else meant


def _is_here(proof: Proof, name: str) -> bool:
    beside: tuple[Path, ...] = (proof.issue.path.resolve().parent, proof.issue.folder)
    return any((folder / unquote(name)).exists() for folder in beside)
