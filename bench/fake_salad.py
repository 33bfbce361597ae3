"""A fake Salad that answers each POST with 201 and an id: `python -m bench.fake_salad --port N`, a process of its own.

`GET /count` returns the number of POSTs, so that a benchmark can check that both functions made their calls.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

MAX_REQUEST_BYTES = 1 << 20  # a queue job of ours has about 1 kB
END_OF_HEADERS = b"\r\n\r\n"


class FakeSalad(asyncio.Protocol):
    """One keep-alive connection. posted: the counter of jobs, which all connections share."""

    def __init__(self, posted: list[int]) -> None:
        self._posted = posted
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stores the transport for the answers."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a TCP server makes no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers each complete request; a request that is too long closes the connection."""
        self._received += data
        while (request := _take_request(self._received)) is not None:
            self._answer(request)
        if len(self._received) > MAX_REQUEST_BYTES and self._transport:
            self._transport.close()

    def _answer(self, request: bytes) -> None:
        document: dict[str, object] = {"posted": self._posted[0]}
        status = b"200 OK"
        if request.startswith(b"POST "):
            self._posted[0] += 1
            document = {"id": f"fake-{self._posted[0]:08d}", "status": "pending"}
            status = b"201 Created"
        body = json.dumps(document).encode()
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        if self._transport:
            self._transport.write(head + body)


def _take_request(received: bytearray) -> bytes | None:
    """Removes one complete request from the buffer and returns it, None while it is incomplete."""
    end = received.find(END_OF_HEADERS)
    if end < 0:
        return None
    length = 0
    for line in bytes(received[:end]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    total = end + len(END_OF_HEADERS) + length
    if len(received) < total:
        return None
    request = bytes(received[:total])
    del received[:total]
    return request


async def _serve(port: int) -> None:
    posted = [0]
    server = await asyncio.get_running_loop().create_server(lambda: FakeSalad(posted), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main(arguments: Sequence[str]) -> int:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args(arguments).port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
