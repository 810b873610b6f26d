"""How much of what an email uses mail clients show, by the data of caniemail.com."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import html as lxml_html

from mailer.checks.clients import Feature, features, slugs_in

WORTH = {"y": 1.0, "a": 0.5, "n": 0.0}  # "u", unknown, counts for nothing either way
# Whose share is looked at: caniemail's names of the clients in each family.
FAMILIES = {
    "all": "",
    "gmail": "gmail/",
    "apple": "apple-mail/",
    "outlook-windows": "outlook/windows",
}


@dataclass(frozen=True)
class Support:
    """How much of what an email uses is shown, from 0 to 1 by family of clients."""

    features: tuple[Feature, ...]
    share: Mapping[str, float]


def support(html: str) -> Support:
    """Return the features that `html` uses, and their mean support by the newest version of each family's clients."""
    parser = lxml_html.HTMLParser(huge_tree=True, encoding="utf-8")
    tree = lxml_html.document_fromstring(html.encode(), parser=parser)
    known = features()
    found = tuple(known[slug] for slug in sorted(slugs_in(tree)) if slug in known)
    return Support(found, {family: _share(found, clients) for family, clients in FAMILIES.items()})


def _share(found: Iterable[Feature], clients: str) -> float:
    means = [mean for feature in found if (mean := _mean(feature, clients)) is not None]
    return sum(means) / len(means) if means else 1.0


def _mean(feature: Feature, clients: str) -> float | None:
    exact = clients in feature.support
    letters = [
        letter
        for client, letter in feature.support.items()
        if letter in WORTH and (client == clients if exact else client.startswith(clients))
    ]
    return sum(WORTH[letter] for letter in letters) / len(letters) if letters else None
