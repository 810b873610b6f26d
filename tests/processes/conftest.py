"""Stages for tests: SQLite with the embedded worker, and PostgreSQL with a real broker and two workers."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.chaos.grounds import Postgres, own_postgres
from tests.ports import free_port
from tests.processes.stage import Broker, Stage, new_postgres_database
from tests.processes.walks import in_production, start_web
from tests.stand_in import StandIn

ISSUE = """\
# Weekly 2026-11-20

First lines of the issue.

## News

- [A board for everybody | Example](https://example.com/board)  
  Summary: it is small, cheap and quick.
- [Compilers that learn | Example](https://example.com/compilers)  
  Summary: they place code where it runs best.

![A sketch of the board](images/board.png)
"""

CONFIG = """\
[newsletters.weekly]
name = "嵌入式周报"
from_email = "editor@news.example.com"
reply_to = "reply@news.example.com"
postal_address = "1 Harbour Street, Springfield"
language = "zh-hans"
list_id = "weekly.news.example.com"
timezone = "Asia/Shanghai"
source_url = "https://git.example.com/weekly/blob/main/"
"""


def editors_folder(folder: Path) -> Path:
    """Write a small newsletter as its editor keeps it: two issues and an image."""
    from PIL import Image

    (folder / "issues" / "images").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(CONFIG)
    # A real send asks about an issue of long ago, and an import of a folder leaves out those of today in Shanghai.
    dated = f"---\ndate: {date.today() - timedelta(days=1)}\n---\n{ISSUE}"
    (folder / "issues" / "2026-11-20.md").write_text(dated)
    (folder / "issues" / "2026-11-27.md").write_text(dated.replace("Weekly 2026-11-20", "Weekly 2026-11-27"))
    Image.new("RGB", (320, 200), "#0a58ca").save(folder / "issues" / "images" / "board.png")
    return folder


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(editors_folder(tmp_path / "newsletter"))
    yield stage
    stage.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def distributed(tmp_path: Path, broker: Broker) -> Iterator[Stage]:
    stage = Stage(editors_folder(tmp_path / "newsletter"), new_postgres_database(), broker.url)
    stage.run("manage", "migrate", "-v0")
    yield stage
    stage.close()


@pytest.fixture
def postgres() -> Postgres:
    """Run a server that a test may stop or freeze."""
    return own_postgres()


@pytest.fixture
def machines(tmp_path: Path, broker: Broker, postgres: Postgres) -> Iterator[Stage]:
    """Run a PostgreSQL that can be broken; web process and worker have separate homes."""
    stage = Stage(editors_folder(tmp_path / "newsletter"), postgres.new_database(), broker.url)
    stage.run("manage", "migrate", "-v0")
    yield stage
    stage.close()


@pytest.fixture(params=["embedded", pytest.param("distributed", marks=pytest.mark.slow)])
def stage(request: pytest.FixtureRequest) -> Stage:
    """Run each test that uses it on both stages."""
    chosen: Stage = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def for_real(api: StandIn) -> dict[str, str]:
    """Return settings of a real send, to a provider on this machine."""
    return {
        "SENDGRID_API_KEY": api.key,
        "SENDGRID_API_URL": api.url,
        "BASE_URL": "https://news.example.com",
    }


@pytest.fixture
def web(embedded: Stage, for_real: dict[str, str]) -> int:
    """Run `mailer serve` in production, for a proxy in front of it; return its port."""
    port = free_port()
    embedded.settings |= in_production(for_real)
    start_web(embedded, port)
    return port
