import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from http.client import HTTPConnection
from urllib.parse import urlsplit

import orjson
import pytest

from mailer.providers.answers import Accepted, OutcomeUnknown, RecipientsRejected, Refused
from mailer.providers.rehearsal import accepted_attempts
from mailer.providers.sendgrid.client import Client
from mailer.providers.sendgrid.rehearsal import Rehearsal
from tests.mailer.providers.letters import reader
from tests.mailer.providers.sendgrid.letters import ATTEMPT, request


@pytest.fixture
def rehearsal(tmp_path):
    rehearsal = Rehearsal(tmp_path / "rehearsals")
    rehearsal.start()
    yield rehearsal
    rehearsal.stop()


@pytest.fixture
def client(rehearsal):
    return Client(rehearsal.url, rehearsal.key, 60)


def mails(rehearsal, send="12"):
    paths = sorted((rehearsal.folder / send).glob("*.eml"))
    return [message_from_bytes(path.read_bytes(), policy=default) for path in paths]


def test_an_accepted_request_is_on_record_with_its_readers(rehearsal, client):
    assert isinstance(client.post(request(2, attempt=ATTEMPT)), Accepted)
    (line,) = (rehearsal.folder / "12" / "accepted.jsonl").read_bytes().splitlines()
    entry = orjson.loads(line)
    assert (entry["attempt"], entry["send"]) == (str(ATTEMPT), "12")
    assert entry["recipients"] == [
        {"delivery": "1", "email": "reader1@example.com"},
        {"delivery": "2", "email": "reader2@example.com"},
    ]
    assert accepted_attempts(rehearsal.folder, 12) == {str(ATTEMPT)}


def test_a_send_that_was_never_rehearsed_has_no_accepted_attempt(tmp_path):
    assert accepted_attempts(tmp_path, 3) == set()


def test_a_line_that_a_crash_cut_off_does_not_count_and_spoils_no_later_one(rehearsal, client):
    client.post(request(attempt=ATTEMPT))
    record = rehearsal.folder / "12" / "accepted.jsonl"
    record.write_bytes(record.read_bytes() + b'{"attempt": "half')
    assert accepted_attempts(rehearsal.folder, "12") == {str(ATTEMPT)}
    client.post(request())
    assert len(accepted_attempts(rehearsal.folder, "12")) == 2


def test_a_mail_looks_as_its_reader_would_get_it(rehearsal, client):
    client.post(request(people=[reader(7, "xiaoming@example.com", "王小明"), reader(8)]))
    mail, _ = mails(rehearsal)
    link = "https://news.example.org/unsubscribe/token7/"
    assert mail["Subject"] == "嵌入式AI简报 (2019-06-29)"
    assert mail["From"] == "嵌入式AI简报 <report@news.example.com>"
    assert mail["To"] == "王小明 <xiaoming@example.com>"
    assert mail["Reply-To"] == "reply@news.example.com"
    assert mail["List-Unsubscribe"] == f"<{link}>"
    assert mail["List-ID"] == "嵌入式AI简报 <jianbao.news.example.com>"
    assert mail.get_body(["plain"]).get_content().replace("\r\n", "\n") == f"你好，世界\n\n退订: {link}\n"
    assert mail.get_body(["html"]).get_content().strip() == f'<p>你好，世界</p><a href="{link}">退订</a>'
    assert mail["Date"].datetime is not None
    assert not mail.defects


def test_no_header_of_a_mail_is_broken_in_a_link_or_too_long(rehearsal, client):
    person = reader(7, name="很长的名字" * 20)
    person = type(person)(7, person.email, person.name, "https://news.example.org/unsubscribe/" + "t" * 300 + "/")
    client.post(request(people=[person], subject="很长的标题" * 40))
    raw = (rehearsal.folder / "12" / "0001.eml").read_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert b"List-Unsubscribe: <" + person.unsubscribe_url.encode() + b">\r\n" in head
    assert all(len(line) <= 90 for line in head.split(b"\r\n") if not line.startswith(b"List-Unsubscribe:"))
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    (mail,) = mails(rehearsal)
    assert mail["Subject"] == "很长的标题" * 40
    # Python's own address parser puts spaces between encoded-words (RFC 2047 §6.2 says none); decode_header does not.
    to = message_from_bytes(raw, policy=compat32)["To"]
    assert str(make_header(decode_header(to))) == f"{person.name} <{person.email}>"


def test_the_first_twenty_mails_of_a_send_are_shown(rehearsal, client):
    client.post(request(15))
    client.post(request(15))
    assert sorted(path.name for path in (rehearsal.folder / "12").glob("*.eml")) == [
        f"{number:04}.eml" for number in range(1, 21)
    ]


def test_mails_of_an_older_database_make_room(rehearsal, client):
    client.post(request(15))
    client.post(request(3, custom_args={"mailer_send": "12", "mailer_installation": "another"}))
    assert len(mails(rehearsal)) == 3


def test_a_mail_without_a_send_lies_in_a_folder_of_its_own(rehearsal, client):
    client.post(request(1, custom_args={}))
    assert len(mails(rehearsal, "mail")) == 1


def test_the_folder_says_that_nobody_received_anything(rehearsal, client):
    client.post(request())
    assert "Nobody received any of it" in (rehearsal.folder / "README.txt").read_text()


def test_a_bad_address_is_refused_as_sendgrid_does(rehearsal, client):
    answer = client.post(request(people=[reader(1), reader(2, "no address")]))
    assert answer == RecipientsRejected({1: "Does not contain a valid address."}, 400)
    assert not (rehearsal.folder / "12").exists()


@pytest.mark.parametrize("send", ["../../etc", "12/..", "a", "１２", "1" * 30])
def test_a_send_id_that_is_not_a_number_cannot_name_a_folder(rehearsal, client, send):
    assert isinstance(client.post(request(custom_args={"mailer_send": send})), Refused)
    assert not rehearsal.folder.exists()


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/dev/full"), reason="no way to fill a disk here")
def test_a_full_disk_accepts_nothing(rehearsal, client):
    folder = rehearsal.folder / "12"
    folder.mkdir(parents=True)
    (folder / "accepted.jsonl").symlink_to("/dev/full")
    assert isinstance(client.post(request()), OutcomeUnknown)
    assert mails(rehearsal) == []


def test_parallel_requests_are_all_on_record(rehearsal, client):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.post, [request(50) for _ in range(20)]))
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert len(accepted_attempts(rehearsal.folder, 12)) == 20
    assert len(mails(rehearsal)) == 20


def ask(rehearsal, path=None, method="POST", **headers):
    own = {"Host": rehearsal.netloc, "Authorization": f"Bearer {rehearsal.key}", "Content-Type": "application/json"}
    path = path or f"/{rehearsal.token}/v3/mail/send"
    with closing(HTTPConnection(rehearsal.netloc)) as connection:
        connection.request(method, path, request().body, own | {k.replace("_", "-"): v for k, v in headers.items()})
        with connection.getresponse() as answer:
            return answer.status


def test_only_our_own_client_is_answered(rehearsal):
    assert ask(rehearsal) == 202
    assert ask(rehearsal, Authorization="Bearer wrong") == 401
    assert ask(rehearsal, Authorization="") == 401
    assert ask(rehearsal, path="/v3/mail/send") == 404
    assert ask(rehearsal, path="/wrong/v3/mail/send") == 404
    assert ask(rehearsal, path=f"/{rehearsal.token}/other") == 404
    assert ask(rehearsal, Host="news.example.com") == 403
    assert ask(rehearsal, Host=f"localhost:{urlsplit(rehearsal.url).port}") == 403
    assert ask(rehearsal, Origin="https://evil.example") == 403
    assert ask(rehearsal, method="PUT") == 501
    assert len(accepted_attempts(rehearsal.folder, 12)) == 1


def test_the_key_works_for_the_doctor_too(client):
    assert client.get("/v3/scopes") == (200, {"scopes": ["mail.send"]})
    assert client.get("/v3/user/credits")[0] == 404


def test_the_key_and_the_token_are_not_shown(rehearsal):
    assert rehearsal.key not in repr(rehearsal)
    assert rehearsal.token not in repr(rehearsal)


def test_nothing_is_printed(rehearsal, client, capfd):
    client.post(request())
    ask(rehearsal, Host="news.example.com")
    assert capfd.readouterr() == ("", "")


def test_a_thousand_readers_are_rehearsed_in_one_request(client):
    assert isinstance(client.post(request(1000)), Accepted)


def test_the_client_is_cheap_to_name():
    """The command line starts without the package, which is imported only where a client is made."""
    code = "import mailer.providers.sendgrid.client, sys; sys.exit('sendgrid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
