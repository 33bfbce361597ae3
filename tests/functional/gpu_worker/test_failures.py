"""The verdicts on bad input and failing servers: the code, whether another node tries, and the number of tries."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.media.prepare import AudioLimits
from gpu_worker.ports import NewFile, StorageFault
from gpu_worker.wire import Answer
from tests.functional.gpu_worker.rig import Clips, Rig, Site
from tests.support.waiting import within

RANDOM = random.Random(1).randbytes(200_000)
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


def code_of(answer: Answer) -> str:
    return str(answer.body["error"]["code"])


def assert_final(answer: Answer, code: str, named: str | None = None) -> None:
    """Checks a failure that the app must correct: 200, never retried, and the message names the field."""
    assert (answer.http_status, answer.body["status"]) == (200, "error"), answer.body
    assert code_of(answer) == code, answer.body
    assert answer.body["error"]["retryable"] is False
    if named:
        assert named in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (RANDOM, "media_corrupt"),
        (b"\0" * 50_000, "media_corrupt"),
        (b"<!doctype html><html><body>Sign in</body></html>", "media_corrupt"),
        ("half", "media_corrupt"),
        ("voice.wav", "no_video_stream"),
        ("image.png", "unsupported_media"),
        (PLAYLIST, "unsupported_media"),
    ],
)
def test_each_unusable_video_gets_its_verdict(rig: Rig, site: Site, clips: Clips, content: Any, code: str) -> None:
    if content == "half":
        content = clips.data("face.mp4")[: len(clips.data("face.mp4")) // 2]  # its index is at the end, so it is lost
    site.files["/face.mp4"] = clips.data(content) if isinstance(content, str) else content
    answer = rig.run()
    assert_final(answer, code, "video_url")
    assert answer.body["error"]["stage"] == "preparing"
    assert rig.storage.puts == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (RANDOM, "media_corrupt"),
        ("face.mp4", "no_audio_stream"),
        ("silent.wav", "audio_silent"),
        ("short.wav", "input_too_short"),
        ("long.wav", "input_too_long"),
        ("image.png", "unsupported_media"),
    ],
)
def test_each_unusable_voice_gets_its_verdict(rig: Rig, site: Site, clips: Clips, content: Any, code: str) -> None:
    site.files["/voice.wav"] = clips.data(content) if isinstance(content, str) else content
    assert_final(rig.run(), code, "audio_url")


def test_a_file_is_judged_by_its_content_and_not_by_what_the_server_calls_it(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(200, RANDOM, **{"Content-Type": "video/mp4"})
    assert_final(rig.run(), "media_corrupt", "video/mp4")


def test_a_video_that_breaks_off_early(rig: Rig, site: Site, clips: Clips) -> None:
    data = clips.data("faststart.mp4")
    site.files["/face.mp4"] = data[: len(data) // 3]
    assert_final(rig.run(), "media_corrupt", "video_url")


def test_a_picture_too_long_for_its_short_side(rig: Rig, site: Site, clips: Clips) -> None:
    site.files["/face.mp4"] = clips.data("ribbon.mp4")
    assert_final(rig.run(resolution="1080p"), "unsupported_media", "video_url")


def test_an_exact_length_at_the_limit_is_accepted(rig: Rig, site: Site, clips: Clips) -> None:
    rig.limits = type(rig.limits)(2_000_000, 1_000_000, AudioLimits(2.0, 2.0), 5.0, 2.0)
    site.files["/voice.wav"] = clips.data("exact_44100.wav")
    assert rig.run().body["status"] == "ok"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_4xx_at_the_source_is_final_and_asked_once(rig: Rig, site: Site, status: int) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(status, b"no")
    assert_final(rig.run(), "input_download_failed", "video_url")
    assert site.log.count("/face.mp4") == 1


@pytest.mark.parametrize("status", [500, 503])
def test_5xx_at_the_source_is_tried_three_times_and_not_on_another_node(rig: Rig, site: Site, status: int) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(status, b"no")
    assert_final(rig.run(), "input_download_timeout", "video_url")
    assert site.log.count("/face.mp4") == 3


def test_a_server_out_of_reach_is_tried_three_times_then_another_node_may(rig: Rig, site: Site) -> None:
    def hang_up(handler: Any) -> None:
        handler.close_connection = True

    site.files["/face.mp4"] = hang_up
    answer = rig.run()
    assert (answer.http_status, code_of(answer)) == (503, "input_download_timeout")
    assert site.log.count("/face.mp4") == 3
    assert site.reports[-1]["error"]["code"] == "input_download_timeout", "the reason must be reported before the 503"
    assert site.reports[-1]["error"]["retryable"] is True


def test_a_short_failure_of_the_source_is_survived(rig: Rig, site: Site, clips: Clips) -> None:
    answers = [503, 200]

    def flaky(handler: Any) -> None:
        status = answers.pop(0)
        handler.reply(status, clips.data("face.mp4") if status == 200 else b"")

    site.files["/face.mp4"] = flaky
    assert rig.run().body["status"] == "ok"


def test_a_cut_transfer_is_no_whole_file(rig: Rig, site: Site, clips: Clips) -> None:
    def cut(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"x" * 500)
        handler.close_connection = True

    site.files["/face.mp4"] = cut
    assert_final(rig.run(), "input_download_timeout", "video_url")


def test_a_source_that_sends_too_slowly_is_given_up_in_time(rig: Rig, site: Site) -> None:
    def trickle(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not site.closing.wait(0.05):
            handler.wfile.write(b"x")

    site.files["/face.mp4"] = trickle
    rig.limits = type(rig.limits)(2_000_000, 1_000_000, rig.limits.audio, download_sec=0.5, upload_sec=2.0)
    with within(5):
        answer = rig.run()
    assert (answer.http_status, code_of(answer)) == (503, "input_download_timeout")


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_is_noticed_from_the_header_or_on_the_way(rig: Rig, site: Site, announced: bool) -> None:
    sent = []

    def large(handler: Any) -> None:
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", "9000000000")
        handler.end_headers()
        for _ in range(1000):  # far more than the sockets' buffers hold
            handler.wfile.write(b"x" * 100_000)
            sent.append(100_000)

    site.files["/face.mp4"] = large
    assert_final(rig.run(), "input_too_large", "2 MB")
    assert sum(sent) < 90_000_000, "it was read to its end"


def test_an_empty_file(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = b""
    assert_final(rig.run(), "input_download_failed", "empty")


def redirect(location: str) -> Callable[[Any], None]:
    return lambda handler: handler.reply(302, b"", Location=location)


def test_ten_redirects_are_followed(rig: Rig, site: Site, clips: Clips) -> None:
    site.files |= {f"/{step}": redirect(f"/{step + 1}") for step in range(10)}
    site.files["/10"] = clips.data("face.mp4")
    assert rig.run(video_url=f"{site.url}/0").body["status"] == "ok"


def test_an_eleventh_redirect_is_not_followed(rig: Rig, site: Site) -> None:
    site.files |= {f"/{step}": redirect(f"/{step + 1}") for step in range(20)}
    assert_final(rig.run(video_url=f"{site.url}/0"), "input_download_failed", "redirects")
    assert "/10" in site.log
    assert "/11" not in site.log


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
        "http://[fd00:ec2::254]/",
        "http://2852039166/",
    ],
)
def test_a_redirect_is_checked_like_the_url(rig: Rig, site: Site, location: str) -> None:
    site.files["/face.mp4"] = redirect(location)
    assert_final(rig.run(), "input_url_not_allowed", "video_url")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v.mp4", "https://169.254.169.254/v.mp4", "ftp://example.com/v", "https://a.internal/v"]
)
def test_a_refused_url(rig: Rig, url: str) -> None:
    answer = rig.run(video_url=url)
    assert_final(answer, "input_url_not_allowed", "video_url")
    assert answer.body["error"]["stage"] == "downloading"


def test_in_production_loopback_is_refused_before_any_request(rig: Rig, site: Site) -> None:
    rig.client = HttpClient(rehearsal=False)
    assert_final(rig.run(report_url=None), "input_url_not_allowed")
    assert site.log == []


def test_storage_down_is_for_another_node_and_was_reported(
    rig: Rig, site: Site, storage_fault: Callable[..., StorageFault]
) -> None:
    def refuse(_file: NewFile) -> None:
        raise storage_fault(is_final=False)

    rig.storage.on_put = refuse
    answer = rig.run()
    assert (answer.http_status, code_of(answer)) == (503, "upload_failed")
    assert site.reports[-1]["error"]["code"] == "upload_failed"
    assert site.reports[-1]["finished"] is True


def test_a_refused_key_is_final(rig: Rig, storage_fault: Callable[..., StorageFault]) -> None:
    def refuse(_file: NewFile) -> None:
        raise storage_fault(is_final=True)

    rig.storage.on_put = refuse
    assert_final(rig.run(), "upload_failed")


def test_an_upload_that_hangs_is_abandoned(rig: Rig) -> None:
    release = threading.Event()
    rig.storage.on_put = lambda file: release.wait(60)
    with within(20):
        answer = rig.run()
    release.set()
    assert (answer.http_status, code_of(answer)) == (503, "upload_failed")


def test_a_stored_file_with_another_checksum_is_not_a_success(rig: Rig) -> None:
    rig.storage.spoil = True
    answer = rig.run()
    assert (answer.http_status, code_of(answer)) == (503, "upload_failed")
    assert "musetalk/outputs/job-1.json" not in rig.storage.puts


def test_a_bug_becomes_internal_and_reveals_nothing(rig: Rig) -> None:
    def broken(_file: NewFile) -> None:
        raise RuntimeError("secret internals")

    rig.storage.on_put = broken
    answer = rig.run()
    assert (answer.http_status, code_of(answer)) == (503, "internal")
    assert "secret internals" not in str(answer.body)
    assert "secret internals" in rig.stream.getvalue(), "the log must say what broke"


def test_scratch_is_gone_after_a_failure(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = b"not a video"
    rig.run()
    assert list(rig.work_dir.iterdir()) == []


def test_a_missing_storage_key_is_reported_before_anything_is_fetched(rig: Rig, site: Site) -> None:
    answer = rig.run(
        upload={"endpoint": "http://10.0.0.1/", "key_id": "k", "app_key": "s", "bucket": "b", "prefix": "p/"}
    )
    assert_final(answer, "internal", "upload.endpoint")
    assert "/face.mp4" not in site.log
