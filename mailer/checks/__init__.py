"""What an editor should know before 5,000 subscribers do. `check` judges a proof; `blocking` says what stops a send.

One module per idea, each with `look`. `mailer.config.rules` has all rules with their severities, `proofs` what they
look at, and `fetching` asks the sites behind the links, which only `mailer check --links` does.
"""

from collections.abc import Iterable, Set

from mailer.checks import (
    addresses,
    clients,
    colours,
    completeness,
    headings,
    image_addresses,
    images,
    languages,
    lines,
    links,
    mailing,
    markup,
    notes,
    other_issues,
    sizes,
    slips,
    tables,
    unfinished,
    words,
)
from mailer.checks.proofs import Proof
from mailer.config.rules import RULES
from mailer.content.findings import Finding

__all__ = ["RULES", "blocking", "check", "ignorable", "without"]

_LOOKS = (
    words.look,
    languages.look,
    markup.look,
    lines.look,
    notes.look,
    slips.look,
    unfinished.look,
    headings.look,
    links.look,
    other_issues.look,
    addresses.look,
    images.look,
    image_addresses.look,
    sizes.look,
    tables.look,
    colours.look,
    clients.look,
    mailing.look,
    completeness.look,
)


def check(proof: Proof, ignored: Set[str] = frozenset()) -> list[Finding]:
    """Return what renderer and rules found, in the order of the file, without what it, its newsletter or `ignored`
    leaves out.
    """
    told = {(finding.line, finding.column, finding.rule) for finding in proof.rendered.findings}
    found = set(proof.rendered.findings)
    for rules in _LOOKS:
        # The renderer was at the place and knows best what became of it.
        found |= {one for one in rules(proof) if (one.line, one.column, one.rule) not in told}
    # What is ignored explains nothing, or a link would lead nowhere without a word.
    return _each_mistake_once(without(sorted(found), proof.ignored | ignored))


def _each_mistake_once(findings: list[Finding]) -> list[Finding]:
    """Leave out that a link leads nowhere where another finding says what it was meant to be."""
    known = {(finding.line, finding.column) for finding in findings if finding.rule == "markup-left"}
    return [one for one in findings if one.rule != "relative-left" or (one.line, one.column) not in known]


def without(findings: Iterable[Finding], ignored: Set[str]) -> list[Finding]:
    """Return the findings except those of `ignored` rules; rules that cannot be ignored stay."""
    return [finding for finding in findings if finding.rule not in ignored or not ignorable(finding.rule)]


def ignorable(rule: str) -> bool:
    """Tell whether an editor may send in spite of the rule."""
    return rule not in RULES or RULES[rule].ignorable


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that keep an issue from being sent."""
    return [finding for finding in findings if finding.severity == "error"]
