"""Requests that arrive in pieces are read as gunicorn reads them whole."""

import io
import itertools
from dataclasses import dataclass

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from mailer.web import bodies
from mailer.web.buffering import Chunks, Inbox, Requests

GET = b"GET /healthz HTTP/1.1\r\nHost: news.example.com\r\n\r\n"
BODY = b"List-Unsubscribe=One-Click"
POST = b"POST /unsubscribe/token/ HTTP/1.1\r\nHost: news.example.com\r\n"
SIZED = POST + b"Content-Length: 26\r\n\r\n" + BODY
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nList-\r\n15;a=b\r\nUnsubscribe=One-Click\r\n0\r\n\r\n"
TRAILERS = POST + b"Transfer-Encoding: chunked\r\n\r\n1A\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
VALID = (GET, SIZED, CHUNKED, TRAILERS, b"\r\n" + GET)
INVALID = (
    b"\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\nHost: news.example.com\n\n",
    b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2 ;\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 3\r\n\r\n",
)


def config() -> Config:
    found = Config()
    found.set("http_parser", "python")
    found.set("limit_request_line", 4094)
    return found


CLIENT = ("192.0.2.1", 1234)


@dataclass(frozen=True)
class Read:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def taken(parser: RequestParser) -> Read | str:
    """Return one request from a parser of either kind, or why there is none."""
    try:
        request = next(parser)
        body = request.body.read()
        return Read(request.method, request.uri, tuple(request.headers), body)
    except Exception as error:  # noqa: BLE001 — which one it is, is compared
        return type(error).__name__


def as_gunicorn_reads(wire: bytes) -> list[Read | str]:
    """Return all requests that gunicorn reads from a socket that delivers all these bytes and closes."""
    parser, found = RequestParser(config(), _Wire(wire), CLIENT), []
    while not found or isinstance(found[-1], Read):
        found.append(taken(parser))
    return found


class _Wire:
    def __init__(self, wire: bytes) -> None:
        self.recv = io.BytesIO(wire).read


def as_received(pieces: list[bytes]) -> list[Read | str]:
    """Return the same from pieces: each request once it is complete, and the rest when the client hangs up."""
    parser, found = Requests(config(), CLIENT), []
    parser.begin()
    for piece in pieces:
        parser.put(piece)
        while parser.is_whole() and (not found or isinstance(found[-1], Read)):
            found.append(taken(parser))
            parser.begin()
    if not found or isinstance(found[-1], Read):
        found.append(taken(parser))
    return found


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({place % (len(wire) + 1) for place in places} | {0, len(wire)})
    return [wire[begin:end] for begin, end in itertools.pairwise(edges)]


places = st.lists(st.integers(0, 10_000), max_size=30)


@given(st.lists(st.sampled_from(VALID), min_size=1, max_size=4), places)
def test_pipelined_requests_are_the_same_however_they_are_cut(requests, where):
    wire = b"".join(requests)
    read = as_gunicorn_reads(wire)
    assert len(requests_of(read)) == len(requests)
    assert as_received(cut(wire, where)) == read


@given(st.sampled_from(VALID), st.sampled_from(INVALID), places)
def test_what_gunicorn_refuses_is_refused_however_it_is_cut(valid, invalid, where):
    read = as_gunicorn_reads(valid + invalid)
    received = as_received(cut(valid + invalid, where))
    assert received == read
    assert isinstance(received[-1], str)


@given(st.lists(st.sampled_from([*VALID, *INVALID, OLD, b"\n", b"\r\n", b"0\r\n\r\n", b"GET"]), max_size=5), places)
def test_no_byte_is_ever_read_as_part_of_another_request(pieces, where):
    wire = b"".join(pieces)
    if wire:
        assert as_received(cut(wire, where)) == as_gunicorn_reads(wire)


heads = st.lists(
    st.one_of(
        st.sampled_from([b"Content-Length: ", b"Transfer-Encoding: ", b"chunked", b": ", b"\r\n", b" ", b"5"]),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(b"".join)


@given(st.sampled_from([b"", POST, b"GET / HTTP/1.1\r\n"]), heads, st.binary(max_size=40), places)
def test_whatever_else_comes_in_is_what_gunicorn_makes_of_it(begun, head, rest, where):
    wire = begun + head + b"\r\n\r\n" + rest
    # Which of two faults is named may depend on the cut.
    assert requests_of(as_received(cut(wire, where))) == requests_of(as_gunicorn_reads(wire))


def requests_of(read: list[Read | str]) -> list[Read]:
    return [one for one in read if isinstance(one, Read)]


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=6), places)
def test_a_chunked_body_is_the_same_however_it_is_cut(body, sizes, where):
    wire, rest = POST + b"Transfer-Encoding: chunked\r\n\r\n", body
    for size in [*sizes, len(body)]:
        if rest[:size]:
            wire += f"{len(rest[:size]):x}\r\n".encode() + rest[:size] + b"\r\n"
        rest = rest[size:]
    wire += b"0\r\n\r\n"
    assert as_received([*cut(wire, where), GET])[0].body == body


@pytest.mark.parametrize("wire", VALID)
def test_a_request_is_whole_with_its_last_byte_and_not_before(wire):
    parser = Requests(config(), CLIENT)
    parser.begin()
    for number, byte in enumerate(wire, 1):
        parser.put(bytes([byte]))
        assert parser.is_whole() == (number == len(wire)), wire[:number]


@pytest.mark.parametrize("head", [b"GET /" + b"a" * 50_000, POST + b"X: a\r\n" * 8000], ids=["a line", "headers"])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(head):
    parser = Requests(config(), CLIENT)
    parser.begin()
    parser.put(head)
    assert parser.is_whole()
    assert taken(parser) == "LimitRequestHeaders"


def test_a_body_that_is_too_large_is_left_to_the_page_to_refuse_by_its_length():
    parser = Requests(config(), CLIENT)
    parser.begin()
    parser.put(POST + b"Content-Length: 100000000\r\n\r\nbegin")
    assert parser.is_whole()
    request = next(parser)
    assert request.should_close()
    with pytest.raises(OSError, match="too large"):
        request.body.read()


@pytest.mark.parametrize(("path", "most"), [(b"/unsubscribe/", bodies.FORM), (b"/webhooks/sendgrid", bodies.EVENTS)])
def test_of_a_chunked_body_without_end_no_more_is_received_than_its_page_takes(path, most):
    parser, chunk = Requests(config(), CLIENT), b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    parser.begin()
    parser.put(POST.replace(b"/unsubscribe/token/", path) + b"Transfer-Encoding: chunked\r\n\r\n")
    pieces = 0
    while not parser.is_whole() and pieces < 2 * most // 65_536:
        parser.put(chunk)
        pieces += 1
    assert pieces == most // 65_536 + 1
    request = next(parser)
    assert request.should_close()
    assert len(request.body.read(most + 1)) == most + 1


def test_a_body_in_tiny_chunks_is_refused_instead_of_read_for_seconds():
    parser = Requests(config(), CLIENT)
    parser.begin()
    parser.put(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000)
    assert parser.is_whole()
    assert taken(parser) == "InvalidChunkSize"


def test_a_client_that_waits_for_it_is_told_once_to_continue():
    parser = Requests(config(), CLIENT)
    parser.begin()
    parser.put(POST + b"Expect: 100-continue\r\nContent-Length: 26\r\n\r\n")
    assert not parser.is_whole()
    assert parser.takes_continue()
    assert not parser.takes_continue()
    parser.put(BODY)
    assert parser.is_whole()
    assert next(parser).body.read() == BODY


def test_what_was_read_leaves_the_memory():
    inbox = Inbox()
    inbox.put(b"abc")
    assert (inbox.peek(2), inbox.recv(2), len(inbox)) == (b"ab", b"ab", 1)
    inbox.unread(b"xy")
    assert (inbox.recv(10), inbox.recv(10), len(inbox)) == (b"xyc", b"", 0)


def test_a_chunk_size_without_end_ends_the_wait():
    chunks = Chunks()
    chunks.put(b"1" * 10_000)
    assert chunks.ended
