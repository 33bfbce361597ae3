"""Reads the head of an HTTP answer: interim answers are skipped, and headers that nobody reads are dropped.

Python's own reader takes a 103 for the answer and gives up at 100 headers. Media servers send both.
"""

import http.client
import io
import re
from collections import Counter
from typing import BinaryIO

MAX_HEAD_BYTES = 256 * 1024  # all heads of one answer; a `Location` alone may have 8 KB, and cookies as much again
MAX_INTERIM = 20  # interim answers before the real one; servers send one or two
MAX_COOKIES, MAX_SAME = 50, 3  # headers of one name that are kept: together under the 100 that Python's reader takes
COOKIE = b"set-cookie"
INTERIM = re.compile(rb"HTTP/1\.[0-9]+\s+1(?!01)[0-9]{2}\b")  # 101 changes the protocol, so that it is an answer
KEPT = frozenset(
    name.encode()
    for name in (
        "accept-ranges",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "set-cookie",
        "transfer-encoding",
    )
)


class HeadResponse(http.client.HTTPResponse):
    """An answer whose head is read by read_head."""

    def begin(self) -> None:
        """Reads the head and leaves the stream at the start of the body; raises HTTPException, OSError."""
        if self.headers is not None:
            return
        stream = self.fp
        self.fp = io.BytesIO(read_head(stream))
        try:
            super().begin()
        finally:
            self.fp = stream
        if len({text.strip() for text in ",".join(self.headers.get_all("content-length", ["0"])).split(",")}) > 1:
            raise http.client.HTTPException("the lengths contradict each other")


def read_head(stream: BinaryIO) -> bytes:
    """Returns the status line and the headers that are used; raises HTTPException, OSError."""
    left = MAX_HEAD_BYTES
    for _ in range(MAX_INTERIM + 1):
        lines: list[bytes] = []
        while not lines or lines[-1] not in (b"\r\n", b"\n"):
            lines.append(stream.readline(left + 1))
            left -= len(lines[-1])
            if left < 0:
                raise http.client.HTTPException("the head is too large")
            if not lines[-1]:
                raise http.client.RemoteDisconnected("the connection ended within the head")
        if not INTERIM.match(lines[0]):
            return b"".join([lines[0], *_kept(lines[1:-1]), lines[-1]])
    raise http.client.HTTPException("too many interim answers")


def _kept(lines: list[bytes]) -> list[bytes]:
    """Returns the headers that are used, one line each."""
    kept: list[bytes] = []
    counts: Counter[bytes] = Counter()
    is_wanted = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):  # it continues the header before it (RFC 9112 section 5.2)
            if is_wanted:
                kept[-1] = kept[-1].rstrip() + b" " + line.strip() + b"\r\n"
            continue
        name, colon, _ = line.partition(b":")
        name = name.rstrip().lower()
        is_wanted = bool(colon) and name in KEPT and counts[name] < (MAX_COOKIES if name == COOKIE else MAX_SAME)
        if is_wanted:
            counts[name] += 1
            kept.append(line)
    return kept
