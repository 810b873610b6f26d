# ruff: noqa: T201 — it prints where it listens
"""A provider for measuring: takes every request after `--latency` seconds, and counts what it took.

    python -m benchmarks.provider [--latency S] [--remember]

It looks at nothing, so that it is never what is waited for; the strict one for tests is tests/stand_in/.
GET /taken answers `{"requests": n, "recipients": n, "repeated": n}`, POST /forget starts the count anew. With
--remember `repeated` counts recipients that an earlier request had, too.
"""

import argparse
import asyncio
import json
import re

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: benchmark\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MEMBER = re.compile(rb'"to": ?\[')
_ADDRESS = re.compile(rb'"to": ?\[\{"email": ?"([^"]+)"')


class Provider:
    def __init__(self, latency: float, remember: bool) -> None:
        self.latency, self.remember = latency, remember
        self.taken = {"requests": 0, "recipients": 0, "repeated": 0}
        self.addresses: set[bytes] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(await self._answer(head, body))
                await writer.drain()
                if b"connection: close" in head.lower():  # the sendgrid package asks for it
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST /forget"):
            self.taken = dict.fromkeys(self.taken, 0)
            self.addresses.clear()
        if not head.startswith(b"POST /v3/mail/send"):
            said = json.dumps(self.taken).encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        if self.latency:
            await asyncio.sleep(self.latency)
        self.taken["requests"] += 1
        self.taken["recipients"] += len(_MEMBER.findall(body))
        if self.remember:
            self.addresses.update(_ADDRESS.findall(body))
            self.taken["repeated"] = self.taken["recipients"] - len(self.addresses)
        return ACCEPTED


async def main(latency: float, remember: bool) -> None:
    server = await asyncio.start_server(Provider(latency, remember).serve, "127.0.0.1", 0, limit=2**20)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--latency", type=float, default=0.0)
    options.add_argument("--remember", action="store_true")
    given = options.parse_args()
    asyncio.run(main(given.latency, given.remember))
