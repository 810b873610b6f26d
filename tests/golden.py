"""The two sample issues as subscribers get them, stored beside the tests: `python -m tests.golden` rewrites them.

A change of the look is a change of these files, to be read like code.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "mailer" / "golden"
STARTER = ROOT / "mailer" / "starter"
ISSUES = sorted((STARTER / "issues").glob("*.md"))


def golden(path: Path) -> dict[str, str]:
    """Return file name → content for one issue."""
    from mailer.config.newsletter import read_newsletters
    from mailer.content.issues import read_issue
    from mailer.content.rendering import render_issue

    (newsletter,) = read_newsletters(STARTER / "newsletter.toml").values()
    issue = read_issue(path, STARTER / "newsletter.toml")
    mail = render_issue(issue, newsletter, base_url="https://news.example.com")
    # Line ends after each block let a diff show what changed.
    html = mail.html.replace("</p>", "</p>\n").replace("</table>", "</table>\n").replace("</h3>", "</h3>\n")
    return {f"{mail.slug}.html": html, f"{mail.slug}.txt": mail.text}


def main() -> None:
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    import django

    django.setup()
    FOLDER.mkdir(exist_ok=True)
    for path in ISSUES:
        for name, content in golden(path).items():
            (FOLDER / name).write_text(content, encoding="utf-8", newline="\n")
            print(FOLDER / name)


if __name__ == "__main__":
    main()
