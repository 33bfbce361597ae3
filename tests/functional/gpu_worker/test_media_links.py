"""What links to media do on the way to their file: redirects, cookies, odd heads, compression, cuts, busy servers."""

import gzip
import itertools
import re
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from gpu_worker.run.pipeline import Limits
from gpu_worker.wire import Answer
from tests.functional.gpu_worker.media_checks import CountingEngine, assert_verdict
from tests.functional.gpu_worker.rig import Clips, Rig, Site
from tests.support.waiting import within

Handler = Callable[[Any], None]
SECRET = "query-secret"  # stands in the query of each link of the rig


@pytest.fixture
def rig(rig: Rig) -> Iterator[Rig]:
    """The worker of conftest with an engine that counts; whatever happens, no link's query is told to anybody."""
    rig.engine = CountingEngine()
    yield rig
    assert SECRET not in rig.stream.getvalue()
    assert SECRET not in str(rig.site.reports)


@pytest.fixture
def face(clips: Clips) -> bytes:
    """A face video that needs more than one read."""
    return clips.data("face.mp4")


@pytest.fixture
def other(clips: Clips) -> Iterator[Site]:
    """Another server, on another port, with the face."""
    server = Site()
    server.files = {"/face.mp4": clips.data("face.mp4")}
    yield server
    server.close()


def raw(head: str | bytes, body: bytes = b"") -> Handler:
    """A server that sends these very bytes; lines end with CR LF."""
    data = head.encode() if isinstance(head, str) else head

    def send(handler: Any) -> None:
        handler.wfile.write(data.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body)
        handler.close_connection = True

    return send


def redirect(location: str | bytes, *more: str) -> Handler:
    target = location.encode() if isinstance(location, str) else location
    headers = "".join(f"\n{header}" for header in more).encode()
    return raw(b"HTTP/1.1 302 Found\nContent-Length: 0\nLocation: " + target + headers)


def in_turn(*handlers: Handler) -> Handler:
    """Answers with one handler after another, with the last one for ever."""
    left = itertools.chain(handlers[:-1], itertools.repeat(handlers[-1]))
    return lambda handler: next(left)(handler)


def whole(body: bytes, **headers: str) -> Handler:
    return lambda handler: handler.reply(200, body, **headers)


def assert_video(rig: Rig, answer: Answer) -> None:
    assert (answer.http_status, answer.body["status"]) == (200, "ok"), (answer.body, rig.stream.getvalue())
    assert rig.engine.renders == 1


def shorter(rig: Rig, download_sec: float) -> None:
    rig.limits = Limits(2_000_000, 1_000_000, rig.limits.audio, download_sec=download_sec, upload_sec=2.0)


# Redirects


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/dir/../moved.mp4", "/moved.mp4"),
        ("moved.mp4#part", "/moved.mp4"),
        ("?again=1", "/face.mp4"),
        ("#part", "/face.mp4"),
        ("//{authority}/moved.mp4", "/moved.mp4"),
        ("/my face (1).mp4", "/my%20face%20(1).mp4"),
        ("/gesicht-schön-Å-顔.mp4", "/gesicht-sch%C3%B6n-%C3%85-%E9%A1%94.mp4"),
        ("/wide\u3000space.mp4", "/wide%E3%80%80space.mp4"),
        (b"/latin-\xe4.mp4", "/latin-%E4.mp4"),
        ("/ready%20made%C3%B6.mp4", "/ready%20made%C3%B6.mp4"),
        ("/long.mp4?x=" + "a" * 8100, "/long.mp4"),
    ],
)
def test_a_location_in_any_form_is_followed(
    rig: Rig, site: Site, face: bytes, location: str | bytes, path: str
) -> None:
    if isinstance(location, str):
        location = location.replace("{authority}", site.url.removeprefix("http://"))
    site.files["/start.mp4"] = site.files["/face.mp4"] = in_turn(redirect(location), whole(face))
    if path != "/face.mp4":
        site.files[path] = face
    assert_video(rig, rig.run(video_url=f"{site.url}/face.mp4?signature={SECRET}"))


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1/x",
        "http://127.0.0.1:port/x",
        "http://127.0.0.1:99999999999/x",
        "/a\\b",
        "/a\tb",
        b"http://caf\xe9.example/",
        "http://exa mple.com/",
        "http://" + "a" * 64 + ".example/",
        "/" + "a" * 8200,
        "http://" + "9" * 5000 + "/",
        "mailto:a@example.com",
    ],
)
def test_a_redirect_to_nowhere_is_judged_once(rig: Rig, site: Site, location: str | bytes) -> None:
    site.files["/face.mp4"] = redirect(location)
    assert_verdict(rig, rig.run(), "redirect")
    assert site.log.count("/face.mp4") == 1


@pytest.mark.parametrize("header", ["Location:", "Location:  ", "X-Location: /face.mp4"])
def test_a_redirect_without_a_target_is_refused_once(rig: Rig, site: Site, header: str) -> None:
    site.files["/face.mp4"] = raw(f"HTTP/1.1 302 Found\nContent-Length: 0\n{header}")
    answer = rig.run()
    assert (answer.http_status, answer.body["error"]["code"]) == (200, "input_download_failed")
    assert site.log.count("/face.mp4") == 1


def test_a_circle_ends_after_ten_redirects(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = redirect("/face.mp4")
    assert_verdict(rig, rig.run(), "redirects")
    assert site.log.count("/face.mp4") == 11


def test_a_cookie_of_a_redirect_goes_back_to_its_host_and_to_no_other(
    rig: Rig, site: Site, other: Site, face: bytes
) -> None:
    seen: list[tuple[str, str | None]] = []

    def remember(handler: Any) -> None:
        seen.append((handler.path.partition("?")[0], handler.headers["Cookie"]))

    def first(handler: Any) -> None:
        remember(handler)
        cookies = ("pass=a=1; Path=/; HttpOnly", 'two="2"', "bad name=x", "nothing", "evil=x\x01y")
        redirect("/second", *(f"Set-Cookie: {cookie}" for cookie in cookies))(handler)

    def second(handler: Any) -> None:
        remember(handler)
        redirect(f"{other.url}/third", "Set-Cookie: pass=b")(handler)

    def third(handler: Any) -> None:
        remember(handler)
        redirect(f"{site.url}/fourth", "Set-Cookie: foreign=1; Domain=127.0.0.1")(handler)

    def fourth(handler: Any) -> None:
        remember(handler)
        handler.reply(200, face)

    site.files |= {"/face.mp4": first, "/second": second, "/fourth": fourth}
    other.files["/third"] = third
    assert_video(rig, rig.run())
    assert seen == [
        ("/face.mp4", None), ("/second", 'pass=a=1; two="2"'), ("/third", None), ("/fourth", 'pass=b; two="2"'),
    ]  # fmt: skip


# Heads


def test_interim_answers_are_skipped(rig: Rig, site: Site, face: bytes) -> None:
    hints = b"HTTP/1.1 103 Early Hints\nLink: </x>; rel=preload\nContent-Length: 7\n\nHTTP/1.1 102 Processing\n\n"
    head = b"HTTP/1.1 200 OK\nContent-Length: " + str(len(face)).encode()
    site.files["/face.mp4"] = raw(hints + head, face)
    assert_video(rig, rig.run())


def test_many_headers_are_no_fault(rig: Rig, site: Site, face: bytes) -> None:
    many = "".join(f"\nX-Header-{number}: {'x' * 300}" for number in range(400))
    many += "".join(f"\nSet-Cookie: c{number}=1" for number in range(150))
    site.files["/face.mp4"] = raw(f"HTTP/1.1 302 Found\nContent-Length: 0{many}\nLocation: /2")
    site.files["/2"] = raw(f"HTTP/1.1 200 OK{many}\nno header at all\nContent-Length: {len(face)}", face)
    assert_video(rig, rig.run())


@pytest.mark.parametrize(
    "head",
    [
        "SSH-2.0-OpenSSH_9.6 " + SECRET,
        "HTTP/1.1 abc " + SECRET,
        "HTTP/1.1 99999999999999999999 no",
        "HTTP/2.0 200 OK",
        "HTTP/1.1 200 OK\nContent-Length: 5, 7",
        "HTTP/1.1 200 OK\nX: " + "x" * 300_000,
        "\n".join(["HTTP/1.1 103 Early Hints\n"] * 50),
    ],
)  # fmt: skip
def test_what_is_no_http_is_tried_in_one_run_only(rig: Rig, site: Site, head: str) -> None:
    site.files["/face.mp4"] = raw(head)
    assert_verdict(rig, rig.run(), "not http")
    assert site.log.count("/face.mp4") == 3


def test_a_head_that_breaks_off_is_not_taken_for_an_answer(rig: Rig, site: Site, face: bytes) -> None:
    def half(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Le")
        handler.close_connection = True

    site.files["/face.mp4"] = in_turn(half, whole(face))
    assert_video(rig, rig.run())


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 4000, "9" * 20])
def test_a_length_beyond_any_limit_is_too_large_at_once(rig: Rig, site: Site, length: str) -> None:
    site.files["/face.mp4"] = raw(f"HTTP/1.1 200 OK\nContent-Length: {length}", b"x" * 100)
    assert_verdict(rig, rig.run(), "large")
    assert site.log.count("/face.mp4") == 1


@pytest.mark.parametrize("length", ["{size}, {size}", "-5", "+{size}", "many", "", "0x10", "\u0665"])
def test_a_length_that_cannot_be_read_does_not_count(rig: Rig, site: Site, face: bytes, length: str) -> None:
    head = "HTTP/1.1 200 OK\nContent-Length: " + length.replace("{size}", str(len(face)))
    site.files["/face.mp4"] = raw(head, face)
    assert_video(rig, rig.run())


# Compression


def zipped(data: bytes, encoding: str = "gzip") -> Handler:
    return whole(data, **{"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "aws-chunked, gzip", "identity"])
@pytest.mark.parametrize("kind", ["one", "two members", "padded", "plain"])
def test_a_file_that_is_kept_in_gzip(rig: Rig, site: Site, face: bytes, encoding: str, kind: str) -> None:
    data = {
        "one": gzip.compress(face),
        "two members": gzip.compress(face[:1000]) + gzip.compress(face[1000:]),
        "padded": gzip.compress(face) + bytes(100),
        "plain": face,
    }[kind]
    site.files["/face.mp4"] = zipped(face if encoding == "identity" else data, encoding)
    assert_video(rig, rig.run())


def test_a_bomb_is_refused_at_the_size_limit(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = zipped(gzip.compress(bytes(200_000_000), 9))
    with within(5):
        assert_verdict(rig, rig.run(), "large")
    assert site.log.count("/face.mp4") == 1


@pytest.mark.parametrize("kind", ["damaged", "cut", "br", "gzip, gzip"])
def test_what_cannot_be_decoded_is_asked_for_once(rig: Rig, site: Site, face: bytes, kind: str) -> None:
    data = gzip.compress(face)
    body = {"damaged": data[:50] + b"\xff" * 50 + data[100:], "cut": data[:-20]}.get(kind, data)
    site.files["/face.mp4"] = zipped(body, kind if kind in ("br", "gzip, gzip") else "gzip")
    assert_verdict(rig, rig.run(), "compressed")
    assert site.log.count("/face.mp4") == 1


# Cuts


class Ranged:
    """A server of one file that cuts its transfers. cuts: after how many bytes each; asked: the headers it was sent."""

    def __init__(self, body: bytes, *cuts: int, etag: str | None = '"v1"', **headers: str) -> None:
        self.body, self.etag, self.headers = body, etag, headers
        self.cuts = list(cuts)
        self.asked: list[tuple[str | None, str | None]] = []
        self.content_range = "bytes {begin}-{last}/{size}"

    def __call__(self, handler: Any) -> None:
        wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
        self.asked.append((wanted, condition))
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0  # type: ignore[index]
        is_part = bool(wanted) and condition in (self.etag, self.headers.get("Last-Modified"))
        sent = self.body
        handler.send_response(206 if is_part else 200)
        if is_part:
            size, sent = len(self.body), self.body[begin:]
            handler.send_header("Content-Range", self.content_range.format(begin=begin, last=size - 1, size=size))
        if self.etag:
            handler.send_header("ETag", self.etag)
        for name, value in self.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent[: self.cuts.pop(0)] if self.cuts else sent)
        handler.close_connection = True


def test_a_cut_transfer_is_resumed_where_it_was_cut(rig: Rig, site: Site, face: bytes) -> None:
    server = site.files["/face.mp4"] = Ranged(face, 1000, 500, 0, 1, 2, 3)
    assert_video(rig, rig.run())
    places = [1000, 1500, 1500, 1501, 1503, 1506]
    assert server.asked == [(None, None), *((f"bytes={place}-", '"v1"') for place in places)]
    assert rig.storage.files


def test_a_time_of_change_serves_as_well_when_it_is_old_enough(rig: Rig, site: Site, face: bytes) -> None:
    changed = "Wed, 21 Oct 2015 07:28:00 GMT"
    server = site.files["/face.mp4"] = Ranged(face, 1000, etag=None, **{"Last-Modified": changed})
    assert_video(rig, rig.run())
    assert server.asked == [(None, None), ("bytes=1000-", changed)]


@pytest.mark.parametrize(
    ("etag", "headers"),
    [
        (None, {}),
        ('W/"v1"', {}),
        ("v1", {}),
        ('"v1"', {"Accept_Ranges": "none"}),
        (None, {"Last-Modified": "Fri, 31 Dec 9999 23:59:59 GMT"}),  # not older than the answer
    ],
)
def test_without_a_sure_mark_of_the_file_it_is_fetched_anew(
    rig: Rig, site: Site, face: bytes, etag: str | None, headers: dict[str, str]
) -> None:
    server = site.files["/face.mp4"] = Ranged(face, 1000, etag=etag, **headers)
    assert_video(rig, rig.run())
    assert server.asked == [(None, None)] * 2


def test_a_file_that_changed_meanwhile_is_fetched_anew(rig: Rig, site: Site, face: bytes) -> None:
    old = Ranged(b"x" * 50_000, 3000)
    site.files["/face.mp4"] = in_turn(old, Ranged(face, etag='"v2"'))
    assert_video(rig, rig.run())


def test_a_server_that_ignores_range_is_read_from_the_start(rig: Rig, site: Site, face: bytes) -> None:
    site.files["/face.mp4"] = in_turn(Ranged(face, 1000), whole(face))
    assert_video(rig, rig.run())


@pytest.mark.parametrize(
    "wrong",
    [
        "bytes 0-9/10",
        "bytes {begin}-{last}/{size}0",
        "bytes 1001-{last}/{size}",
        "bytes {begin}-{size}/{size}",
        "bytes {begin}-999/*",
        "bytes */{size}",
        "bytes {begin}-" + "9" * 5000 + "/*",
        "lines {begin}-{last}/{size}",
        "",
    ],
)
def test_a_part_that_does_not_continue_the_file_is_refused(rig: Rig, site: Site, face: bytes, wrong: str) -> None:
    server = site.files["/face.mp4"] = Ranged(face, 1000)
    server.content_range = wrong
    assert_video(rig, rig.run())
    assert [wanted for wanted, _ in server.asked] == [None, "bytes=1000-", None]


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 416 Range Not Satisfiable\nContent-Length: 0",
        "HTTP/1.1 412 Precondition Failed\nContent-Length: 0",
        'HTTP/1.1 206 Partial Content\nETag: "v2"\nContent-Range: bytes 1000-1004/{size}\nContent-Length: 5',
        "HTTP/1.1 206 Partial Content\nContent-Encoding: br\nContent-Range: bytes 1000-1004/{size}",
        "HTTP/1.1 206 Partial Content\nContent-Type: multipart/byteranges; boundary=x\nContent-Length: 5",
    ],
)
def test_an_answer_about_another_file_begins_anew(rig: Rig, site: Site, face: bytes, answer: str) -> None:
    another = raw(answer.replace("{size}", str(len(face))), b"xxxxx")
    site.files["/face.mp4"] = in_turn(Ranged(face, 1000), another, whole(face))
    assert_video(rig, rig.run())


def test_a_shorter_part_than_asked_for_is_continued(rig: Rig, site: Site, face: bytes) -> None:
    size = len(face)
    parts = [raw(
        f'HTTP/1.1 206 Partial Content\nETag: "v1"\nContent-Range: bytes {begin}-{end - 1}/{size}\n'
        f"Content-Length: {end - begin}", face[begin:end],
    ) for begin, end in ((1000, 2000), (2000, size))]  # fmt: skip
    site.files["/face.mp4"] = in_turn(Ranged(face, 1000), *parts)
    assert_video(rig, rig.run())


def test_a_server_that_cuts_each_transfer_is_given_up(rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_worker.transfer.tries.PAUSES_SEC", (0.0, 0.0))
    server = site.files["/face.mp4"] = Ranged(b"x" * 90_000, *[100] * 500)
    assert_verdict(rig, rig.run(), "cut")
    assert len(server.asked) == 21


def test_one_that_stops_at_the_same_byte_is_tried_in_one_run_only(rig: Rig, site: Site, face: bytes) -> None:
    server = site.files["/face.mp4"] = Ranged(face, 1000, 0, 0, 0)
    assert_verdict(rig, rig.run(), "short")
    assert len(server.asked) == 3


# Busy servers


def busy(status: int, retry_after: str, *more: str) -> Handler:
    return raw("\n".join([f"HTTP/1.1 {status} Later", "Content-Length: 0", f"Retry-After: {retry_after}", *more]))


class Waits:
    """Records the waits of a run instead of waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        monkeypatch.setattr(
            "gpu_worker.domain.control.RunControl.pause", lambda control, seconds: self.seconds.append(seconds)
        )


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """The waits of the run."""
    return Waits(monkeypatch)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_a_busy_server_gets_the_time_that_it_asks_for(
    rig: Rig, site: Site, waits: Waits, face: bytes, status: int
) -> None:
    shorter(rig, 60.0)
    date = f"Date: {formatdate(1_000_000, usegmt=True)}"
    at = busy(status, formatdate(1_000_004, usegmt=True), date)
    site.files["/face.mp4"] = in_turn(busy(status, "3"), at, whole(face))
    assert_video(rig, rig.run())
    assert waits.seconds == [3.0, 4.0], "a date counts by the server's own clock"


def test_without_a_clock_of_the_server_a_date_counts_by_ours(rig: Rig, site: Site, waits: Waits, face: bytes) -> None:
    shorter(rig, 60.0)
    site.files["/face.mp4"] = in_turn(lambda handler: busy(503, formatdate(time.time() + 30))(handler), whole(face))
    assert_video(rig, rig.run())
    assert 20.0 < waits.seconds[0] <= 30.0


@pytest.mark.parametrize(
    "odd",
    ["", "soon", "-5", "1.5e3", "nan", "9" * 5000, "999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "\u0665",
     "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 99 Foo 99999999999999999999 25:61:61 +9999", "0"],
)  # fmt: skip
def test_an_odd_retry_after_does_not_count(rig: Rig, site: Site, waits: Waits, face: bytes, odd: str) -> None:
    head = f"HTTP/1.1 503 Busy\nContent-Length: 0\nRetry-After: {odd}"
    site.files["/face.mp4"] = in_turn(raw(head), whole(face))
    assert_video(rig, rig.run())
    assert waits.seconds == [0.5]


@pytest.mark.parametrize(("status", "row"), [(429, "busy"), (503, "5xx")])
def test_a_server_that_stays_busy_costs_one_run_of_three_requests(
    rig: Rig, site: Site, waits: Waits, status: int, row: str
) -> None:
    site.files["/face.mp4"] = busy(status, "1")
    assert_verdict(rig, rig.run(), row)
    assert site.log.count("/face.mp4") == 3
    assert waits.seconds == [1.0, 2.0]


def test_a_wait_beyond_the_limit_ends_the_run_at_once(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = busy(429, "3600")
    with within(3):
        assert_verdict(rig, rig.run(), "busy")
    assert site.log.count("/face.mp4") == 1


# Time


def test_a_refusal_whose_body_never_comes_does_not_delay_the_verdict(rig: Rig, site: Site) -> None:
    def hang(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 403 No\r\nContent-Type: application/xml\r\nContent-Length: 900\r\n\r\n<")
        site.closing.wait(60)

    site.files["/face.mp4"] = hang
    shorter(rig, 60.0)
    with within(8):
        assert_verdict(rig, rig.run(), "403")


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK", b"\r\nY: "),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"x"),
    ],
)
def test_a_dripping_head_is_given_up_in_time(rig: Rig, site: Site, begin: bytes, drip: bytes) -> None:
    def trickle(handler: Any) -> None:
        handler.wfile.write(begin)
        while not site.closing.wait(0.05):
            handler.wfile.write(drip)

    site.files["/face.mp4"] = trickle
    shorter(rig, 0.5)
    with within(5):
        assert_verdict(rig, rig.run(), "slow")
