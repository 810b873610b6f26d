"""The format of a log line, and what never appears in one."""

import io
import json
import logging
import subprocess
import sys
import threading
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from mailer.config import logs, scrubbing, sentry
from mailer.config.logs import MOST, CountingHandler, JsonFormatter, KeyValueFormatter, LineFormatter
from subscribers import tokens


@pytest.fixture
def log():
    """Return a logger and the lines that it has written so far."""
    handler = CountingHandler()
    handler.setStream(io.StringIO())
    logger = logging.Logger("mailer.sending")
    logger.addHandler(handler)

    def written(form: type[LineFormatter] | None = None) -> list[str]:
        if form:
            handler.setFormatter(form())
        return handler.stream.getvalue().splitlines()

    written(KeyValueFormatter)
    logger.handler = handler
    logger.written = written
    yield logger
    handler.close()


def test_a_line_has_its_time_with_zone_and_the_keys(log):
    log.info("batch accepted", extra={"send": 12, "provider": "api.example.com"})
    (line,) = log.written()
    time, _, rest = line.partition(" ")
    assert time.endswith("+00:00")
    assert rest == "INFO mailer.sending batch accepted send=12 provider=api.example.com"


@pytest.mark.parametrize(
    "value", ["two words", 'a"b', "a=b", "", "a\nINFO mailer forged", "a\u2028b", "a\u202eb", "\x1b[2J"]
)
def test_a_value_cannot_end_its_line_or_pass_for_another_key(log, value):
    log.info("refused", extra={"why": value, "send": 1})
    (line,) = log.written()
    assert line.isprintable()
    head, _, rest = line.partition(" why=")
    told, _ = json.JSONDecoder().raw_decode(rest)
    assert (head.split()[-1], told, rest.endswith(" send=1")) == ("refused", value, True)


def test_the_message_of_a_library_cannot_forge_lines_or_keys(log):
    log.warning("cannot read %s", "x\n2026-11-20 INFO mailer send=1")
    (line,) = log.written()
    assert line.endswith('WARNING mailer.sending "cannot read x\\n2026-11-20 INFO mailer send=1"')


def test_a_key_without_a_value_is_left_out_of_a_line(log):
    log.warning("outcome unknown", extra={"attempt": 3, "status": None})
    (line,) = log.written()
    assert line.endswith(" outcome unknown attempt=3")


def test_as_json_a_line_is_an_object(log):
    log.written(JsonFormatter)
    log.warning("why \u2028 and\n%s", "how", extra={"send": 12, "id": uuid4(), "level": "x", "none": None})
    (line,) = log.written()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("WARNING", "mailer.sending", "why \u2028 and\nhow")
    assert (found["send"], len(found["id"]), found["none"]) == (12, 36, None)


@pytest.mark.parametrize("form", [KeyValueFormatter, JsonFormatter])
def test_a_traceback_stands_in_the_line_of_its_event(log, form):
    log.written(form)
    try:
        raise ValueError("Key (email)=(ada@readers.example) already exists")
    except ValueError:
        log.exception("it failed")
    (line,) = log.written()
    assert "test_logs.py" in line
    assert "ValueError: Key (email)=([address]) already exists" in line


def test_a_library_that_passes_too_few_arguments_still_has_its_line(log):
    log.info("%s of %s", "one")
    assert log.written()[0].endswith("%s of %s")


TOKEN = tokens.make(tokens.UNSUBSCRIBE, UUID(int=7), "weekly", b"k" * 32)
KEY = "SG.abcdefghijklmnop.qrstuvwxyz-0123456789_ABCDEFGHIJKLMNOPQRSTU"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("no such user ada@readers.example", "ada"),
        ('no such user "ada lovelace"@readers.example', "lovelace"),
        ("to=李@例子.中国, bounced", "例子"),
        ("GET /x?email=ada%40readers.example failed", "ada"),
        (f"GET /unsubscribe/{TOKEN}/ failed", TOKEN[:20]),
        (f"Authorization: Bearer {KEY}", "qrst"),
        (f"the key {KEY} is refused", "qrst"),
        ("redis://:hunter-42@10.0.0.7:6379/0 is down", "hunter"),
        ("amqp://news:p@ss/w0rd@rabbit.example:5672// is down", "w0rd"),
        ("password authentication failed for postgres://news:hunter@db/news", "hunter"),
    ],
)
def test_no_address_token_or_key_is_logged_by_any_library(log, text, secret):
    log.warning("%s", text, extra={"why": text})
    (line,) = log.written()
    assert secret not in line
    assert "[" in line


def test_secrets_of_this_installation_are_found_wherever_they_stand(log, settings):
    settings.BROKER_URL = f"redis://:{quote('br0ker/secret', safe='')}@10.0.0.7/0"
    settings.DATABASES = {"default": settings.DATABASES["default"] | {"PASSWORD": "d4tabase-secret"}}
    settings.OF_ANOTHER_PROVIDER_WEBHOOK_SECRET = "h00k-secret"
    scrubbing._secrets.cache_clear()
    try:
        log.error("connecting with br0ker/secret and d4tabase-secret and h00k-secret and %s", settings.SECRET_KEY)
    finally:
        scrubbing._secrets.cache_clear()
    assert log.written()[0].endswith("connecting with [secret] and [secret] and [secret] and [secret]")


def test_what_an_operator_looks_for_stays(log):
    kept = f"batch {uuid4()} of 2026-11-20, sha256 {'ab' * 32}, at 10.0.0.7:6379, File mailer/sending/claiming.py"
    log.warning(kept)
    assert kept in log.written()[0].replace("\\", "")


@pytest.mark.parametrize("part", ["a", "a://", '"', "a@", "A1b-", "%4", "SG.", "bearer "])
def test_a_text_of_a_million_letters_does_not_stop_the_log(log, part):
    """A backtracking pattern would take hours."""
    text = part * (1_000_000 // len(part))
    log.warning("%s", text, extra={"why": sentry._URL.sub("", text)})
    (line,) = log.written()
    assert len(line) < 200_000


# ---------------------------------------------------------------- warnings that repeat


def test_a_warning_that_repeats_is_counted_and_others_are_not_held_back(log):
    for number in range(MOST + 57):
        log.warning("events refused", extra={"status": 403, "number": number})
        log.info("request")
    log.warning("another")
    lines = log.written()
    assert sum("events refused" in line for line in lines) == MOST
    assert sum(" request" in line for line in lines) == MOST + 57
    assert "another" in lines[-1]
    log.handler.close()
    assert log.written()[-1].endswith(f"events refused status=403 number={MOST + 56} repeated=57")
    log.handler.close()
    assert len(log.written()) == len(lines) + 1


def test_the_sum_is_written_when_the_interval_ends_also_if_nothing_else_happens(log, monkeypatch):
    timers: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: timers.append(timer))
    log.handler.sum_up()  # begins an interval
    for _ in range(MOST + 3):
        log.warning("events refused")
    (timer,) = timers
    assert logs.INTERVAL - 60 < timer.interval <= logs.INTERVAL
    timer.function()
    assert "repeated=3" in log.written()[-1]
    log.warning("events refused")
    assert "repeated" not in log.written()[-1]


SERVICE = """
import logging, threading, warnings
from mailer.config import logs
logs.run_as_service()
import django
django.setup()
import mailer.web.wsgi  # as gunicorn does, and Celery: Django is set up once more
logging.getLogger("mailer.sending").info("send finished")
warnings.warn("deprecated")
def fail():
    raise RuntimeError("a defect")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise RuntimeError("another")
"""


def test_a_service_logs_from_info_on_and_what_nobody_caught_in_one_line():
    lines = subprocess.run([sys.executable, "-c", SERVICE], capture_output=True, text=True).stderr.splitlines()
    assert [line.split()[1] for line in lines] == ["INFO", "WARNING", "CRITICAL", "CRITICAL"]
    assert "RuntimeError: a defect" in lines[2]
    assert "RuntimeError: another" in lines[3]
