"""Receive a request completely before a thread of `mailer serve` is busy with it, so that slow clients hold no thread.

What a request is, and where the next one begins, gunicorn's own parser decides. It reads from memory, once all bytes
that it will ask for are here. `Chunks` only tells when that is: if it errs, the parser meets the end of the bytes and
the connection is closed, or they are waited for in vain; no byte is ever read as part of another request.
"""

import re
from io import BytesIO
from typing import Any

from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from mailer.web.bodies import limit_of

LARGEST_HEAD = 32_768  # bytes of the request line and all headers
FRAMING = 65_536  # bytes that the framing of a chunked body may take in any case; beyond, as many as the body itself

_BARE_LF = re.compile(rb"(?<!\r)\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")
_LONGEST_LINE = 8190


class Requests(RequestParser):  # type: ignore[misc]
    """The requests of one connection, each returned by `next` once `is_whole` is true, or once no more will come."""

    def __init__(self, cfg: Any, client: Any) -> None:
        self.inbox = Inbox()
        super().__init__(cfg, self.inbox, client)
        self._forget()

    def _forget(self) -> None:
        self._request: Request | None = None
        self._refusal: Exception | None = None
        self._searched = 0
        self._chunks: Chunks | None = None

    def put(self, data: bytes) -> None:
        self.inbox.put(data)
        if self._chunks:
            self._chunks.put(data)

    def begin(self) -> None:
        """Expect the next request, of which some bytes may have come with the last one."""
        self._forget()
        self.inbox.unread(self.unreader.take_buffered())

    def held(self) -> int:
        """Return how many bytes wait here."""
        return len(self.inbox) + len(self.unreader.buf.getbuffer())

    def has_begun(self) -> bool:
        return self._request is not None or self.held() > 0

    def is_whole(self) -> bool:
        """Tell whether `next` can return the next request with its body, or refuse it, without waiting."""
        if not self._request and not self._refusal and self._head_ends():
            self._read_head()
        return self._refusal is not None or (self._request is not None and self._body_ends(self._request))

    def takes_continue(self) -> bool:
        """Return, once a request, whether its client waits for `100 Continue` before it sends the body."""
        if self._request is None or not self._request._expected_100_continue:
            return False
        self._request._expected_100_continue = False  # or gunicorn would say it again
        return True

    def __next__(self) -> Request:
        if self._refusal:
            raise self._refusal
        request, self._request = self._request, None
        return request or super().__next__()

    def _head_ends(self) -> bool:
        head = self.inbox.peek(LARGEST_HEAD + 1)
        end = head.find(b"\r\n\r\n", max(0, self._searched - 3))
        # gunicorn refuses a bare LF, so nothing is waited for behind one.
        odd = _BARE_LF.search(head, max(0, self._searched - 1), end if end >= 0 else len(head))
        self._searched = len(head)
        if end < 0 and not odd and len(head) > LARGEST_HEAD:
            self._refusal = LimitRequestHeaders("the head of the request is too long")
        return end >= 0 or odd is not None

    def _read_head(self) -> None:
        try:
            self._request = super().__next__()
        except Exception as error:  # noqa: BLE001 — the thread that asks for the request gets it
            self._refusal = error

    def _body_ends(self, request: Request) -> bool:
        reader = request.body.reader
        if isinstance(reader, LengthReader):
            if reader.length > limit_of(request.path):
                _leave_body(request)
                return True
            return bool(reader.length <= self.held())
        if self._chunks is None:
            self._chunks = Chunks()
            self._chunks.put(self.unreader.buf.getvalue() + self.inbox.peek())
        if self._chunks.are_wasteful():
            self._refusal = InvalidChunkSize(b"too many small chunks")
            return True
        if self._chunks.size > limit_of(request.path):
            request.force_close()  # nothing that follows is read
            return True
        return self._chunks.ended


def _leave_body(request: Request) -> None:
    """Let pages refuse the request by its length. Code that reads the body is told that it is not here."""
    request.body = Body(_Unread())
    request._expected_100_continue = False
    request.force_close()


class _Unread:
    def read(self, size: int) -> bytes:
        raise OSError("the body is too large and was not received")


class Inbox:
    """What was received, for gunicorn's parser to read like a socket; at its end, the client seems to be gone."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._given = 0

    def __len__(self) -> int:
        return len(self._bytes) - self._given

    def put(self, data: bytes) -> None:
        self._bytes += data

    def unread(self, data: bytes) -> None:
        if data or self._given:
            self._bytes[: self._given] = data
            self._given = 0

    def peek(self, size: int | None = None) -> bytes:
        with memoryview(self._bytes) as view:
            return bytes(view[self._given : None if size is None else self._given + size])

    def recv(self, size: int) -> bytes:
        piece = self.peek(size)
        self._given += len(piece)
        if self._given == len(self._bytes):
            self._bytes, self._given = bytearray(), 0
        return piece


class Chunks:
    """How much of a chunked body was received, and whether it ended, even by something that gunicorn will refuse."""

    def __init__(self) -> None:
        self.size = 0  # bytes of the body
        self.ended = False
        self._raw = 0
        self._line = BytesIO()
        self._left = 0  # bytes of the chunk, with its CRLF, that are still to come
        self._in_trailers = False

    def put(self, data: bytes) -> None:
        self._raw += len(data)
        at = 0
        while at < len(data) and not self.ended:
            at = self._skip(data, at) if self._left else self._read_line(data, at)

    def are_wasteful(self) -> bool:
        """Tell whether the body comes in such small pieces that reading it would keep a whole processor busy."""
        return self._raw - self.size > max(FRAMING, self.size)

    def _skip(self, data: bytes, at: int) -> int:
        taken = min(self._left, len(data) - at)
        self.size += max(0, min(taken, self._left - 2))
        self._left -= taken
        return at + taken

    def _read_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        self._line.write(data[at : end or None])
        if end:
            line, self._line = self._line.getvalue(), BytesIO()
            self._understand(line.removesuffix(b"\n").removesuffix(b"\r"))
        elif self._line.tell() > _LONGEST_LINE:
            self.ended = True
        return end or len(data)

    def _understand(self, line: bytes) -> None:
        if self._in_trailers:
            self.ended = not line
        elif not (size := _SIZE.fullmatch(line)):
            self.ended = True
        elif int(size[1], 16):
            self._left = int(size[1], 16) + 2
        else:
            self._in_trailers = True
