"""A setting that is written but not used is worse than none: the server would run on defaults, with an empty list."""

import errno
import re
from pathlib import Path

import pytest

from mailer import settings
from mailer.config import environment
from mailer.config.environment import SettingError, _read_dotenv

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_a_file_that_is_not_there_sets_nothing(dotenv):
    assert _read_dotenv(dotenv) == {}


def test_a_folder_of_python_packages_that_is_called_so_sets_nothing(dotenv):
    dotenv.mkdir()
    (dotenv / "pyvenv.cfg").touch()
    assert _read_dotenv(dotenv) == {}


@pytest.mark.parametrize("target", ["gone", "../.env", ".env", "."])
def test_a_link_that_leads_to_no_file_stops_the_command(tmp_path, dotenv, target):
    dotenv.symlink_to(target)
    if target == "../.env" and (tmp_path.parent / ".env").exists():
        pytest.skip("there is one")
    with pytest.raises(SettingError, match=rf"{re.escape(str(dotenv))} points to .*, which cannot be read \("):
        _read_dotenv(dotenv)


def test_a_folder_in_the_place_of_the_file_stops_the_command(dotenv):
    dotenv.mkdir()
    with pytest.raises(SettingError, match="Is a directory"):
        _read_dotenv(dotenv)


def test_a_link_into_a_folder_that_is_shut_stops_the_command(tmp_path, dotenv, monkeypatch):
    (tmp_path / "env").touch()
    dotenv.symlink_to(tmp_path / "env")

    def refuse(*_, **__):  # nothing is shut to root, who may run the tests
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(SettingError, match=rf"{tmp_path}/env, which cannot be read \(Permission denied\)"):
        _read_dotenv(dotenv)


@pytest.mark.parametrize(
    "line",
    [
        *("MAILER_PROXIES 1", "MAILER_ENV: production", "MAILER_ENV:production", "MAILER_PROXIES", "export A B"),
        *('KEY="never closed', 'KEY="closed" and more', "=nameless", "MAILER_ENV:=production", "set KEY=value"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_that_sets_nothing_is_named_and_not_quoted(dotenv, line, end):
    above = ["# a comment", "", "ONE=1", "TWO='two", "lines'", "", "  "]
    dotenv.write_bytes(end.join([*above, line, "THREE=3", ""]).encode())
    with pytest.raises(SettingError) as refused:
        _read_dotenv(dotenv)
    assert f"{dotenv}:8 is not a setting; write NAME=value" in str(refused.value)
    assert line not in str(refused.value)


def test_what_may_stand_in_the_file_is_read(dotenv):
    lines = [
        *("\ufeff# a comment", "", "A=1", "  B = two words # and a comment", "export C='#3'", 'D="4"', "E=", "F=a=b"),
        *('G="several', 'lines"', "H=$A", "   # indented", "I=# empty?", "   "),
    ]
    expected = {"A": "1", "B": "two words", "C": "#3", "D": "4", "E": "", "F": "a=b", "G": "several\nlines"}
    for end in ("\n", "\r\n"):
        dotenv.write_bytes(end.join(lines).encode())
        read = _read_dotenv(dotenv)
        assert {name: read[name] for name in expected} == expected


@pytest.fixture
def misnamed(monkeypatch):
    """Return what is reported about settings in the file and in the environment: `misnamed(file={…}, NAME="…")`."""

    def ask(file: dict[str, str] | None = None, **named: str) -> list[str]:
        monkeypatch.setattr(environment, "_dotenv", file or {})
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        return environment.misnamed()

    return ask


def test_a_setting_whose_name_is_mistyped_is_named_with_the_nearest(misnamed):
    assert misnamed({"MAILER_PROXYS": "1"}) == [
        f"MAILER_PROXYS in {environment.CONFIG_FOLDER / '.env'} is not a setting; is MAILER_PROXIES meant?"
    ]
    assert "is SECRET_KEY meant" in misnamed({"MAILER_SECRET_KEY": "x"})[0]
    assert misnamed(MAILER_HOEM="/srv") == ["MAILER_HOEM in the environment is not a setting; is MAILER_HOME meant?"]
    assert "see docs/settings.md" in misnamed({"MAILER_XYLOPHONE": "1"})[0]


def test_a_name_without_our_prefix_is_one_of_ours_only_in_our_file_and_nearly_so(misnamed):
    assert "is BASE_URL meant" in misnamed({"BASEURL": "x"})[0]
    assert misnamed({"HOME": "x", "PATH": "x", "SMTP_PASSWORD": "x"}, BASEURL="x") == []


def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_reported(misnamed):
    assert not misnamed(
        MAILER_PORT="tcp://10.0.0.1:80", MAILER_SERVICE_HOST="10.0.0.1", MAILER_WEB_PORT_80_TCP_ADDR="10.0.0.1"
    )


def test_every_setting_that_is_documented_or_deployed_is_known(misnamed):
    assert settings.HOME  # they are made
    files = [ROOT / "docs/settings.md", *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    names = {name for path in files for name in re.findall(r"\bMAILER_[A-Z_]*[A-Z]\b", path.read_text())}
    assert len(names) > 15
    assert misnamed(dict.fromkeys(names, "1")) == []
