"""Media servers that send anything at all: each download ends soon, as a whole file or as a failure with a code."""

import hashlib
import random
import time
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import JobError
from gpu_worker.transfer.download import Downloader
from gpu_worker.transfer.partial_file import Source
from tests.functional.gpu_worker.rig import Site
from tests.support.waiting import within

ANSWERS = 25  # for each seed; 900 with other seeds were tried once, without a finding
STATUSES = [100, 101, 103, 200, 200, 200, 204, 206, 301, 302, 307, 304, 400, 403, 408, 412, 416, 429, 500, 503, 999]
NAMES = [
    "Location", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Content-Range", "ETag", "Last-Modified",
    "Date", "Retry-After", "Set-Cookie", "Connection", "Content-Type", "Accept-Ranges",
]  # fmt: skip
VALUES = [
    b"0", b"5", b"-1", b"9" * 5000, b"5, 5", b"5,6", b"gzip", b"br", b"chunked", b"gzip, chunked", b"bytes 0-4/5",
    b"bytes 5-9/10", b'"v1"', b'W/"x"', b"Wed, 21 Oct 2015 07:28:00 GMT", b"1e9", b"\xff\xfe", b"a=b; Path=/",
    b"http://[::1", b"//", b"http://", b"///x", b"?", b"#", b"/x", b"http:", b"https:x", b"http://a" + b"." * 300,
    b"http://xn--/", b"http://\xe2\x84\xa1/", b"http://127.0.0.1\xef\xbc\x8fx/",
]  # fmt: skip
BODIES = [b"", b"hello", b"hellohello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"\x1f\x8b\x08"]
ODD_BYTES = b"\x00\x01\x85\xc3\xa9\xff%:;,=\"'[]()/?#@\\ \t019azAZ-.*"


def odd_answer(chance: random.Random) -> bytes:
    """Returns an answer whose parts are mostly valid, put together without sense."""
    lines = [b"HTTP/1.1 %d %s" % (chance.choice(STATUSES), noise(chance))]
    for _ in range(chance.randint(0, 6)):
        value = chance.choice(VALUES) if chance.random() < 0.75 else noise(chance)
        lines.append(chance.choice(NAMES).encode() + chance.choice([b":", b": ", b":\t"]) + value)
    whole = chance.choice([b"\r\n", b"\n", b"\r\n", b"\r\n "]).join(lines) + b"\r\n\r\n" + chance.choice(BODIES)
    return whole[: chance.randint(0, len(whole))] if chance.random() < 0.1 else whole


def noise(chance: random.Random) -> bytes:
    return bytes(chance.choices(ODD_BYTES, k=chance.randint(0, 12)))


@pytest.mark.parametrize("seed", range(4))
def test_any_answer_ends_as_a_file_or_a_failure_with_a_code(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("gpu_worker.transfer.tries.PAUSES_SEC", (0.0, 0.0))
    chance = random.Random(seed)
    sent: list[bytes] = []

    def answer(handler: Any) -> None:
        sent.append(odd_answer(chance))
        handler.wfile.write(sent[-1])
        handler.close_connection = True

    site.files |= dict.fromkeys(("/face.mp4", "/x", "/"), answer)
    source = Source("video_url", f"{site.url}/face.mp4?secret=1", tmp_path / "face", 1000)
    for _ in range(ANSWERS):
        sent.clear()
        loader = Downloader(HttpClient(rehearsal=True), RunControl(time.monotonic, 60), 5.0, time.time)
        told = ""
        with within(8):
            try:
                file = loader.fetch(source, lambda done, total: None)
                assert hashlib.sha256(source.target.read_bytes()).hexdigest() == file.sha256, sent
            except JobError as failure:
                told = failure.message + failure.detail
        assert "secret" not in told, sent
