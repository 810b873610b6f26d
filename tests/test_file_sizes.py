"""A file of more than 400 lines contains a second idea, which belongs in a file of its own."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {".py", ".html", ".css", ".js", ".mjml"}
FOLDERS = ("mailer", "subscribers", "templates", "tests", "benchmarks")
LONGEST = 400


def test_no_file_is_longer_than_400_lines():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in files}
    assert len(lengths) > 300
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
