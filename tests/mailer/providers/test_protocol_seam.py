"""One provider is one folder: no other code knows its name."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "mailer/settings.py",
    "mailer/starter/env.example",
    "mailer/starter/zh-hans/env.example",
    "mailer/migrations/0005_provider_accounts.py",  # landed before there was a seam
}


def test_nothing_outside_its_folder_and_its_settings_names_a_provider():
    folders = ROOT / "mailer/providers"
    names = [one.name for one in folders.iterdir() if (one / "__init__.py").exists()]
    assert "sendgrid" in names
    for name in names:
        found = _files_that_say(name) - SETTINGS
        assert {one for one in found if not one.startswith(f"mailer/providers/{name}/")} == set()


def _files_that_say(name: str) -> set[str]:
    paths = [path for root in ("mailer", "subscribers", "templates", "locale") for path in (ROOT / root).rglob("*")]
    texts = {".py", ".html", ".txt", ".mjml", ".po", ".toml", ".example", ".md", ".csv"}
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path.suffix in texts and name in path.read_text(encoding="utf-8").lower()
    }
