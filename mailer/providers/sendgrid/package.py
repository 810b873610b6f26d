"""The `sendgrid` package with its transport replaced.

The package opens a connection and loads certificates for each request (40 ms of CPU), has no timeout, follows a
redirect by turning POST into GET, and logs the key at DEBUG. What is used of it: hosts, paths, headers.
Importing it costs 0.1 to 0.2 s, so this module is imported where a client is made.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson
import python_http_client
import sendgrid

from mailer.providers.transport import Reply, Transport


def open_api(url: str, key: str, transport: Transport) -> "Api":
    """Return the package's fluent client, `api.mail.send.post(request_body={…})`, over our transport."""
    client = sendgrid.SendGridAPIClient(api_key=key, host=url).client
    return Api(client.host, request_headers=client.request_headers, version=3, transport=transport)


class Api(python_http_client.Client):  # type: ignore[misc]
    def __init__(self, host: str, *, transport: Transport, **options: Any) -> None:
        super().__init__(host, **options)
        self._transport = transport

    def _build_client(self, name: str | None = None) -> "Api":
        return Api(
            self.host,
            transport=self._transport,
            request_headers=self.request_headers,
            version=self._version,
            url_path=[*self._url_path, name] if name else self._url_path,
        )

    def __getattr__(self, name: str) -> Any:
        if name in self.methods:
            request: Callable[..., Reply] = partial(self._request, name.upper())
            return request
        return super().__getattr__(name)

    def _request(self, method: str, request_body: Any = None, first_byte_by: float | None = None) -> Reply:
        address = urlsplit(self._build_url(None))
        headers, body = dict(self.request_headers), None
        if request_body is not None:
            headers["Content-Type"] = "application/json"
            body = request_body if isinstance(request_body, bytes) else orjson.dumps(request_body)
        target = f"{address.path}?{address.query}" if address.query else address.path
        return self._transport.exchange(method, target, headers, body, first_byte_by)
