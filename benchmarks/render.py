# ruff: noqa: T201, S603, S607 — it prints, and runs node by name
"""How fast an issue becomes a mail, how large it gets and how well clients know what is in it, against other ways.

    python benchmarks/render.py [ISSUE.md ...]
    python benchmarks/render.py --json        # what has a goal, as rows for benchmarks/__main__.py

Compared with premailer run over the whole finished page, and, where node and the npm packages `mjml` and `juice` are
(`npm install mjml juice` anywhere; name that folder in NODE_PATH), with both of them on the same template and content.
They read no Markdown, write no text part and check nothing. Node compiles what it runs often, so its early runs, which
are nearer to a command that renders one issue, stand apart from its late ones. CPU time holds on a busy machine.
"""

import json
import logging
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MAILER_CONFIG", str(ROOT / "mailer" / "starter" / "newsletter.toml"))
os.environ.setdefault("MAILER_HOME", tempfile.mkdtemp(prefix="mailer-benchmark-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
SAMPLES = sorted((ROOT / "mailer" / "starter" / "issues").glob("*.md"))
ARCHIVE = (ROOT / "../shared/issues").resolve()
SEED = ARCHIVE / "awesome-embedded-ai" / "embedded-ai-report" / "2019-06-29.md"
RUNS = 9
Times = list[tuple[float, float]]

NODE = """
const fs = require('fs'), mjml = require('mjml'), juice = require('juice');
const [mj, css] = JSON.parse(fs.readFileSync(0, 'utf8'));
(async () => {
  let times = [], html = '';
  for (let n = 0; n < 40; n++) {
    const began = process.hrtime.bigint(), used = process.cpuUsage();
    const made = await mjml(mj, { fonts: {}, validationLevel: 'skip' });
    html = juice.inlineContent(made.html, css);
    const { user, system } = process.cpuUsage(used);
    times.push([Number(process.hrtime.bigint() - began) / 1e6, (user + system) / 1e3]);
  }
  console.log(JSON.stringify([times, Buffer.byteLength(html)]));
})();
"""


def main() -> None:
    import django

    django.setup()
    if sys.argv[1:] == ["--json"]:
        print(json.dumps(list(_with_goals())))
        return
    paths = [Path(name) for name in sys.argv[1:]] or _largest_and_seed() or SAMPLES
    print(f"{'issue':42} {'way':34} {'CPU ms':>8} {'ms':>8} {'bytes':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for path in (*paths, *_ten_times(paths[0], Path(folder))):
            _compare(path)
    print(f"\nlargest memory of this process {_memory():.0f} MB")
    _share(paths[0])


def _with_goals() -> Iterator[dict[str, Any]]:
    """Yield work, unit, rounds and goal of each size, and how it compares with warm mjml + juice where they are."""
    seed, largest = (_largest_and_seed() or SAMPLES)[:2]
    with tempfile.TemporaryDirectory() as folder:
        for path, goal in ((seed, 8), (largest, 18), (*_ten_times(seed, Path(folder)), 45)):
            ours = [used for _, used in _times(partial(_render, path))]
            yield {"work": f"render {path.name}, warm", "unit": "CPU ms", "rounds": ours, "goal": goal}
            if node := _node(_Caught(path)):
                theirs = statistics.median(used for _, used in node[0][20:])
                ratios = [used / theirs for used in ours]
                work = f"render {path.name}, warm: ours / mjml + juice"
                yield {"work": work, "unit": "", "rounds": ratios, "goal": 1}


def _largest_and_seed() -> list[Path]:
    issues = [path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md"]
    return [SEED, max(issues, key=lambda path: path.stat().st_size)] if issues else []


def _ten_times(path: Path, folder: Path) -> list[Path]:
    copy = folder / f"ten-times-{path.name}"
    body = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", path.read_text(encoding="utf-8"))
    copy.write_text(
        "\n\n".join([body, *[re.sub(r"\A---\n.*?\n---\n", "", body, flags=re.DOTALL)] * 9]), encoding="utf-8"
    )
    return [copy]


def _compare(path: Path) -> None:
    mail = _render(path)
    caught = _Caught(path)
    _row(path, "ours, from Markdown to mail", _times(lambda: _render(path)), len(mail.html.encode()))
    _row(path, "ours, MJML and inlining alone", _times(caught.again), len(mail.html.encode()))
    _row(path, "premailer over the whole page", *_naive_premailer(caught))
    node = _node(caught)
    if node:
        times, size = node
        _row(path, "npm mjml + juice, runs 3 to 9", times[2:9], size)
        _row(path, "npm mjml + juice, runs 21 to 40", times[20:], size)


def _row(path: Path, way: str, times: Times, size: int) -> None:
    wall, used = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{path.name:42} {way:34} {used:8.1f} {wall:8.1f} {size:8}")


def _times(work: Callable[[], object]) -> Times:
    """Milliseconds on the wall and of the processor, for each run but the first two."""
    times = []
    for _ in range(RUNS + 2):
        began, used = time.perf_counter(), time.process_time()
        work()
        times.append(((time.perf_counter() - began) * 1000, (time.process_time() - used) * 1000))
    return times[2:]


def _render(path: Path) -> Any:
    from mailer.content.issues import read_issue
    from mailer.content.rendering import render_issue

    return render_issue(read_issue(path), _newsletter(path), base_url="https://news.example.com")


def _newsletter(path: Path) -> Any:
    from mailer.config.newsletter import find_config, read_newsletters

    config = find_config(path.parent) or (SEED.parents[1] / "newsletter.toml" if SEED.exists() else None)
    return next(iter(read_newsletters(config or Path(os.environ["MAILER_CONFIG"])).values()))


class _Caught:
    """What our own way hands to mrml and to premailer, caught on its way."""

    def __init__(self, path: Path) -> None:
        from mailer.content import mjml, rendering

        self._to_html, self._inline, self._fill = mjml.to_html, rendering.inline_styles, mjml.Slots.fill
        self.template = self.css = self.mjml = self.page = ""
        self.fragments: dict[str, str] = {}
        mjml.to_html, rendering.inline_styles = self._keep_template, self._keep_fragments  # type: ignore[assignment]
        mjml.Slots.fill = lambda slots, page: self._keep_filled(slots, page)  # type: ignore[method-assign]
        try:
            _render(path)
        finally:
            mjml.to_html, rendering.inline_styles = self._to_html, self._inline
            mjml.Slots.fill = self._fill  # type: ignore[method-assign]

    def again(self) -> None:
        self._inline(self.fragments, self.css)
        self._to_html(self.template, "issue")

    def _keep_template(self, source: str, name: str) -> str:
        self.template = source
        return self._to_html(source, name)

    def _keep_fragments(self, fragments: Mapping[str, str], css: str) -> dict[str, str]:
        self.fragments, self.css = dict(fragments), css
        return self.fragments

    def _keep_filled(self, slots: Any, page: str) -> str:
        self.mjml, self.page = self._fill(slots, self.template), self._fill(slots, page)
        return self.page


def _naive_premailer(caught: _Caught) -> tuple[Times, int]:
    """One call with the page and all its styles, as premailer's own examples do."""
    from premailer import transform

    page = caught.page.replace("</head>", f"<style>{caught.css}</style></head>")

    def run() -> str:
        return str(transform(page, allow_network=False, cssutils_logging_level=logging.CRITICAL))

    return _times(run), len(run().encode())


def _node(caught: _Caught) -> tuple[Times, int] | None:
    """Measure node on the same MJML and rules, with the content in place; return None without node or its packages."""
    if not shutil.which("node"):
        return None
    sent = json.dumps([caught.mjml, caught.css])
    run = subprocess.run(["node", "-e", NODE], input=sent, capture_output=True, text=True, check=False, timeout=300)
    if run.returncode:
        return None
    times, size = json.loads(run.stdout)
    return times, size


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _share(path: Path) -> None:
    """How many of the CSS and HTML features in the mail each family of clients knows, as the checks count them."""
    try:
        from tests.client_support import support
    except ImportError:
        return
    found = support(_render(path).html)
    shares = ", ".join(f"{family} {share:.2f}" for family, share in found.share.items())
    print(f"\ncaniemail share of {path.name}: {shares}")
    print("over", ", ".join(feature.slug for feature in found.features))


if __name__ == "__main__":
    main()
