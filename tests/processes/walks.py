"""What people do at an installation behind a proxy: join, leave, report, log in."""

import json
import re
import time
from typing import Any

from tests.events import PATH, EventKeys, events_of
from tests.processes.fronts import HOST, Front, Visitor
from tests.processes.stage import Stage, answers, wait_until
from tests.processes.test_readers_walk import state_of
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"
PASSWORD = "a sentence nobody guesses"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
KEYS = EventKeys()


def in_production(for_real: dict[str, str]) -> dict[str, str]:
    """Return settings of an installation that is set up as docs/hosting.md says."""
    return for_real | {
        "BASE_URL": f"https://{HOST}",
        "MAILER_ENV": "production",
        "MAILER_PROXIES": "1",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": KEYS.public,
    }


def start_web(stage: Stage, port: int) -> None:
    stage.start("serve", "--port", str(port))
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")


def hidden(name: str, page: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_up(visitor: Visitor, email: str) -> str:
    """Fill in the form; return the page that answers it."""
    form = visitor.open("/")
    assert form.status == 200, form.text
    time.sleep(2.5)  # nobody fills a form in less; a robot does
    fields = {name: hidden(name, form.text) for name in ("csrfmiddlewaretoken", "form_time")}
    answer = visitor.press("/subscribe/", fields | {"email": email, "website": ""})
    assert answer.status == 200, answer.text
    return answer.text


def path_in(mail: dict[str, Any], purpose: str) -> str:
    found = re.search(rf"https://{HOST}(/{purpose}/[^\s/]+/)", mail["content"]["text/plain"])
    assert found, mail["content"]
    return found[1]


def log_in(visitor: Visitor) -> int:
    form = visitor.open("/admin/login/")
    fields = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": hidden("csrfmiddlewaretoken", form.text)}
    return visitor.press("/admin/login/?next=/admin/", fields).status


def report(visitor: Visitor, requests: list[dict[str, Any]]) -> int:
    """Post events for what the provider accepted, signed as SendGrid does."""
    body = json.dumps(events_of(requests)).encode()
    return visitor.ask("POST", PATH, body, KEYS.headers(body)).status


def join(stage: Stage, api: StandIn, visitor: Visitor, email: str) -> str:
    """Sign up and confirm; return the path of the confirmation link."""
    sign_up(visitor, email)
    mailed = wait_until(
        lambda: [one for one in api.accepted if one["recipients"][0]["email"] == email], "the confirmation was mailed"
    )
    confirm = path_in(mailed[0], "confirm")
    page = visitor.open(confirm)
    assert (page.status, state_of(stage, email)) == (200, "pending")
    assert visitor.press(confirm, {}).status == 200
    assert state_of(stage, email) == "active"
    return confirm


def way_out(api: StandIn) -> str:
    """Return the path of the one-click link in the newest email."""
    header = api.accepted[-1]["recipients"][0]["header"]
    return header.strip("<>").removeprefix(f"https://{HOST}")


def make_operator(stage: Stage) -> None:
    account = {"USERNAME": "ada", "EMAIL": "ada@readers.example", "PASSWORD": PASSWORD}
    superuser = {f"DJANGO_SUPERUSER_{name}": value for name, value in account.items()}
    stage.run("manage", "createsuperuser", "--noinput", **superuser)


def walk_through(front: Front, stage: Stage, api: StandIn, *, chunked: bool = False) -> None:
    """Sign up, confirm, get an issue, report it, unsubscribe by one click, log in; each works or the test fails."""
    ada = Visitor(front, "127.1.2.3", chunked=chunked, headers={"X-Forwarded-For": "192.0.2.77"})
    join(stage, api, ada, "ada@readers.example")
    stage.send(ISSUE)

    assert report(Visitor(front, chunked=chunked), api.accepted) == 204
    assert stage.ask("SELECT count(*) FROM mailer_event WHERE kind = 'delivered'") == [[1]]

    assert Visitor(front, chunked=chunked).press(way_out(api), ONE_CLICK).status == 200
    assert state_of(stage, "ada@readers.example") == "unsubscribed"

    make_operator(stage)
    operator = Visitor(front, chunked=chunked)
    assert log_in(operator) == 302
    assert operator.open("/admin/").status == 200
