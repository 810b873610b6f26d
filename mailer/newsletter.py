"""newsletter.toml → `Newsletter`."""
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Newsletter:
    label: str

def find_config(start: Path) -> Path | None:
    return None

def read_newsletters(path: Path) -> dict[str, Newsletter]:
    return {}
