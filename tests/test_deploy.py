"""The files of deploy/ fit together, and name nothing that mailer does not know. The programs that read them try them
in tests/processes/test_fronts.py and test_containers.py.
"""

import ipaddress
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as of_django
from django.utils.translation import to_locale

from tests import parts
from tests.installed import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = ("compose.yaml", "compose.sqlite.yaml")
UNITS = sorted(path.name for path in (DEPLOY / "systemd").iterdir())


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def services(name: str) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(text(name))["services"])


def ours(name: str) -> dict[str, dict[str, Any]]:
    """Return the services that run mailer."""
    return {label: one for label, one in services(name).items() if "build" in one}


def places(service: dict[str, Any]) -> list[str]:
    """Return its volumes in the short syntax: source and target."""
    return [place for place in service.get("volumes", []) if isinstance(place, str)]


def settings() -> set[str]:
    """Return all settings in docs/settings.md: those that mailer reads, and those of the files in deploy/."""
    return set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))


def example() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", text("mailer.env.example"), flags=re.M))


def seconds(period: str) -> int:
    assert re.fullmatch(r"\d+s", period), period
    return int(period[:-1])


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_file_keeps_to_the_compose_specification(name):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMPOSE)
def test_what_compose_asks_of_its_env_file_is_in_the_example(name):
    asked = set(re.findall(r"\$\{([A-Z_]+)(?=[}:])", text(name)))
    assert asked - example() <= {"MAILER_IMAGE"}, "which has a default"


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_and_its_example_set_what_mailer_knows(name):
    given = example().union(*(one["environment"] for one in ours(name).values()))
    assert given <= settings()


def test_the_image_and_the_units_set_what_mailer_knows():
    image = set(re.findall(r"(?<=[ ])([A-Z_]+)=", " ".join(re.findall(r"^ENV (.+)$", text("Dockerfile"), flags=re.M))))
    units = {name for unit in UNITS for name in re.findall(r"^Environment=(\w+)=", text(f"systemd/{unit}"), flags=re.M)}
    assert (image | units) - settings() <= {"PATH", "PYTHONUNBUFFERED"}


def test_the_caddyfile_reads_what_compose_gives_it():
    read = set(re.findall(r"\{\$(\w+)", text("Caddyfile")))
    assert read <= settings()
    for name in COMPOSE:
        assert set(services(name)["proxy"]["environment"]) <= read


@pytest.mark.parametrize("name", COMPOSE)
def test_only_the_proxy_can_be_reached_from_outside(name):
    found = services(name)
    assert [label for label, one in found.items() if "ports" in one] == ["proxy"]
    assert "network_mode" not in text(name)
    inside = {label for label, one in found.items() if one["networks"] == ["inside"]}
    assert {"database", "broker"} & set(found) <= inside


@pytest.mark.parametrize("name", COMPOSE)
def test_each_service_restarts_and_is_asked_whether_it_is_well(name):
    for label, one in services(name).items():
        if label == "release":  # runs once, and the others wait until it has ended well
            assert one["restart"] == "no"
            assert one["healthcheck"] == {"disable": True}
        else:
            assert one["restart"] == "unless-stopped", label
            assert label == "web" or "test" in one["healthcheck"], f"{label}: the image asks the web process only"


@pytest.mark.parametrize("name", COMPOSE)
def test_mailer_runs_with_no_more_rights_than_it_needs(name):
    for label, one in ours(name).items():
        assert one["read_only"], label
        assert one["cap_drop"] == ["ALL"], label
        assert one["security_opt"] == ["no-new-privileges:true"], label
    assert re.findall(r"^USER (\w+)$", text("Dockerfile"), flags=re.M) == ["mailer"]


@pytest.mark.parametrize("name", COMPOSE)
def test_what_must_last_lies_in_volumes(name):
    found = services(name)
    volumes = set(yaml.safe_load(text(name))["volumes"])
    kept = {label: {place.split(":")[0] for place in places(one)} & volumes for label, one in found.items()}
    assert {label for label, names in kept.items() if not names} <= {"broker"}
    assert all(f"{label}:/var/lib/mailer" in one["volumes"] for label, one in ours(name).items())


@pytest.mark.parametrize("name", COMPOSE)
def test_a_wrong_path_of_the_newsletter_is_an_error_and_makes_no_empty_folder(name):
    for label, one in ours(name).items():
        [bound] = [place for place in one["volumes"] if not isinstance(place, str)]
        assert (bound["type"], bound["target"], bound["read_only"]) == ("bind", "/newsletter", True), label
        assert bound["bind"] == {"create_host_path": False}, label


@pytest.mark.parametrize("name", COMPOSE)
def test_the_logs_of_containers_are_bounded(name):
    for label, one in services(name).items():
        assert set(one["logging"]["options"]) == {"max-size", "max-file"}, label


@pytest.mark.parametrize("name", COMPOSE)
def test_the_proxy_sees_the_addresses_of_visitors_who_come_by_ipv6(name):
    """With IPv4 alone, Docker's own proxy would accept their connections, and all of them would have its address."""
    outside = yaml.safe_load(text(name))["networks"]["outside"]
    assert outside["enable_ipv6"] is True
    # Docker before 27 makes none by itself.
    [network] = [ipaddress.ip_network(one["subnet"]) for one in outside["ipam"]["config"]]
    assert network.version == 6
    assert network.is_private


def test_nobody_is_killed_in_the_middle_of_a_request():
    """Whatever stops mailer waits longer than docs/hosting.md says that it may take."""
    page = (ROOT / "docs" / "hosting.md").read_text()
    grace = max(map(int, re.findall(r"^\| `mailer (?:serve|worker)`.*\| (\d+) \|$", page, flags=re.M)))
    assert grace >= 45
    for name in COMPOSE:
        for label, one in ours(name).items():
            assert label == "release" or seconds(one["stop_grace_period"]) >= grace
    for unit in ("mailer-web.service", "mailer-worker.service"):
        [stop] = re.findall(r"^TimeoutStopSec=(\d+)$", text(f"systemd/{unit}"), flags=re.M)
        assert int(stop) >= grace


@pytest.mark.slow
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path):
    program = parts.systemd_analyze()
    for unit in UNITS:
        # It looks for the programs; the instance gives the templates a name.
        (tmp_path / unit).write_text(text(f"systemd/{unit}").replace("/opt/mailer/bin/mailer", "/bin/true"))
    named = [str(tmp_path / unit.replace("@.", "@web.")) for unit in UNITS]
    verified = subprocess.run([program, "verify", "--man=no", *named], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    for unit in UNITS:
        if "User=mailer" in text(f"systemd/{unit}"):
            path = tmp_path / unit.replace("@.", "-at.")
            path.write_text((tmp_path / unit).read_text().replace("%i", "web"))
            judged = [program, "security", "--offline=true", "--no-pager", "--threshold=20", str(path)]
            done = subprocess.run(judged, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_the_units_share_one_hardening():
    hardened = {unit for unit in UNITS if "User=mailer" in text(f"systemd/{unit}")}
    assert hardened == {f"mailer-{name}.service" for name in ("web", "worker", "backup", "health@")}
    blocks = {re.search(r"# Allow it to write.*?\nUMask=0077\n", text(f"systemd/{unit}"), re.S)[0] for unit in hardened}
    assert len(blocks) == 1


def test_the_image_keeps_the_translations_into_our_languages():
    kept = re.findall(r"! -path '\*/(\w+)/\*'", (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8"))
    assert sorted(kept) == sorted(to_locale(code) for code, _ in of_django.LANGUAGES)


def test_the_image_is_built_of_nothing_that_is_not_asked_for():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), flags=re.M)
    assert kept == {name for line in copied for name in line.split()}
