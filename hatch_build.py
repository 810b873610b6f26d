"""What the package says of its repository, where it is built in one: addresses of the project, and a README that links.

The package index shows README.md far from the files that it links to. The addresses are those of the repository whose
workflow builds the package, so a fork's package leads to the fork; a build elsewhere names none.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")


class Repository(MetadataHookInterface):
    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        address = repository()
        metadata["readme"] = {"content-type": "text/markdown", "text": linked(readme, address)}
        metadata["urls"] = urls(address)


def repository() -> tuple[str, str]:
    """Return the URL of the repository and the tag or branch that is built; ("", "") if there is none."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return (f"{server}/{name}", os.environ.get("GITHUB_REF_NAME", "HEAD")) if server and name else ("", "")


def linked(readme: str, address: tuple[str, str]) -> str:
    """Return the README with links to files of the repository that work from anywhere."""
    base, ref = address
    if not base:
        return readme
    return RELATIVE.sub(lambda found: f"{found[1]}[{found[2]}]({base}/{kind(found[1])}/{ref}/{found[3]})", readme)


def kind(mark: str) -> str:
    """Return how the repository's site serves the link: an image raw, a page as a page."""
    return "raw" if mark else "blob"


def urls(address: tuple[str, str]) -> dict[str, str]:
    base, ref = address
    if not base:
        return {}
    return {
        "Source": base,
        "Documentation": f"{base}/tree/{ref}/docs",
        "Changelog": f"{base}/blob/{ref}/CHANGELOG.md",
        "Issues": f"{base}/issues",
    }
