"""Every kind of media server: its file arrives, or a verdict says what is wrong with the link."""

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from gpu_worker.run.pipeline import Limits
from gpu_worker.wire import Answer
from tests.functional.gpu_worker.media_checks import CountingEngine, assert_right, assert_verdict
from tests.functional.gpu_worker.rig import Clips, Inspector, Rig, Site
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, REGION, RunningB2, running_b2_sim
from tests.support.waiting import within

HTML = b"<!doctype html><html><body>Sign in</body></html>"


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The worker of conftest with an engine that counts."""
    rig.engine = CountingEngine()
    return rig


def faster(rig: Rig, download_sec: float) -> None:
    rig.limits = Limits(2_000_000, 1_000_000, rig.limits.audio, download_sec=download_sec, upload_sec=2.0)


def sending(
    chunk: bytes, pause_sec: float, *, announced: int | None = None, times: int | None = None
) -> Callable[[Any], None]:
    """A server that sends a chunk again and again, for ever unless `times` says how often."""

    def send(handler: Any) -> None:
        handler.send_response(200)
        if announced is not None:
            handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        for _ in range(times) if times is not None else itertools.count():
            handler.wfile.write(chunk)
            if pause_sec:
                time.sleep(pause_sec)
        handler.close_connection = True

    return send


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final_and_asked_once(rig: Rig, site: Site, status: int) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(status, b"no")
    assert_verdict(rig, rig.run(), str(status))
    assert site.log.count("/face.mp4") == 1


def test_a_server_that_fails_is_asked_three_times(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(503, b"no")
    assert_verdict(rig, rig.run(), "5xx")
    assert site.log.count("/face.mp4") == 3


def test_a_slow_server_is_given_up_within_the_limit(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = sending(b"x", 0.05)
    faster(rig, 1.0)
    with within(5):
        assert_verdict(rig, rig.run(), "slow")


def test_a_body_without_end_is_refused_at_the_size_limit(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = sending(b"x" * 50_000, 0)
    with within(5):
        assert_verdict(rig, rig.run(), "large")


@pytest.mark.parametrize("announced", [9_000_000_000, None])
def test_a_file_over_the_size_limit_is_refused(rig: Rig, site: Site, announced: int | None) -> None:
    site.files["/face.mp4"] = sending(b"x" * 50_000, 0, announced=announced, times=50)
    assert_verdict(rig, rig.run(), "large")
    assert site.log.count("/face.mp4") == 1


def test_less_than_announced_each_time_is_tried_again_but_not_on_another_node(
    rig: Rig, site: Site, clips: Clips
) -> None:
    data = clips.data("face.mp4")
    site.files["/face.mp4"] = sending(data, 0, announced=len(data) + 1000, times=1)
    assert_verdict(rig, rig.run(), "short")
    assert site.log.count("/face.mp4") == 3


def test_more_than_announced_is_cut_there_as_http_says(rig: Rig, site: Site, clips: Clips) -> None:
    data = clips.data("face.mp4")
    site.files["/face.mp4"] = sending(data, 0, announced=len(data) // 2, times=1)
    assert_verdict(rig, rig.run(), "start")


def test_bytes_after_a_whole_file_do_no_harm(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    data = clips.data("face.mp4")
    site.files["/face.mp4"] = sending(data + b"x" * 1000, 0, announced=len(data), times=1)
    assert_right(rig, inspector, rig.run(), (160, 120), 32, 1.3)


def test_an_empty_file(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = b""
    assert_verdict(rig, rig.run(), "empty")


def test_a_web_page_sent_as_a_video_is_refused(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = lambda handler: handler.reply(200, HTML, **{"Content-Type": "video/mp4"})
    assert_verdict(rig, rig.run(), "type")


def test_a_video_sent_as_a_web_page_is_accepted(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    data = clips.data("face.mp4")
    site.files["/face.mp4"] = lambda handler: handler.reply(200, data, **{"Content-Type": "text/html"})
    assert_right(rig, inspector, rig.run(), (160, 120), 32, 1.3)


def test_a_refusal_that_arrives_slowly_does_not_delay_the_verdict(rig: Rig, site: Site) -> None:
    def trickle(handler: Any) -> None:
        handler.send_response(403)
        handler.send_header("Content-Type", "application/xml")
        handler.end_headers()
        while not site.closing.wait(0.05):
            handler.wfile.write(b"<")

    site.files["/face.mp4"] = trickle
    with within(6):
        assert_verdict(rig, rig.run(), "403")


@pytest.mark.parametrize(
    ("code", "said", "row"),
    [
        ("AccessDenied", "Access Denied", "denied"),
        ("AccessDenied", "Request has expired", "expired"),
        ("ExpiredToken", "The provided token has expired.", "expired"),
        ("SignatureDoesNotMatch", "see the string to sign", "tampered"),
        ("SomethingNew", "AKIASECRET", "403"),
    ],
)
def test_s3_codes_choose_the_advice_and_their_text_is_not_shown(
    rig: Rig, site: Site, code: str, said: Any, row: str
) -> None:
    page = f"<Error><Code>{code}</Code><Message>{said}</Message><StringToSign>AKIASECRET</StringToSign></Error>"
    site.files["/face.mp4"] = lambda handler: handler.reply(403, page.encode(), **{"Content-Type": "application/xml"})
    answer = rig.run()
    assert_verdict(rig, answer, row)
    assert "AKIASECRET" not in str(answer.body) + rig.stream.getvalue()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> Iterator[RunningB2]:
    """A bucket that judges signatures, with the face in it."""
    with running_b2_sim(tmp_path_factory.mktemp("b2")) as running:
        running.native().get_bucket_by_name(BUCKET).upload_bytes(clips.data("face.mp4"), "faces/me.mp4")
        yield running


def presigned(bucket: RunningB2, key: str = "faces/me.mp4") -> str:
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    client = boto3.client(
        "s3", endpoint_url=bucket.origin, aws_access_key_id=KEY_ID, aws_secret_access_key=APP_KEY,
        region_name=REGION, config=config,
    )  # fmt: skip
    return client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, ExpiresIn=3600)


def assert_link_is_not_shown(rig: Rig, answer: Answer, url: str) -> None:
    """Checks that no part of the link's query is in an answer, a log line or a sidecar."""
    signature = url.rpartition("X-Amz-Signature=")[2]
    told = str(answer.body) + rig.stream.getvalue() + str([*rig.storage.files.values()][1:])
    assert signature not in told
    assert "X-Amz" not in told


def test_a_good_presigned_link(rig: Rig, bucket: RunningB2, inspector: Inspector) -> None:
    url = presigned(bucket)
    answer = rig.run(video_url=url)
    assert_right(rig, inspector, answer, (160, 120), 32, 1.3)
    assert_link_is_not_shown(rig, answer, url)


def test_an_expired_presigned_link(rig: Rig, bucket: RunningB2, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_at = datetime.now(UTC) - timedelta(hours=2)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: signed_at)
    url = presigned(bucket)
    answer = rig.run(video_url=url)
    assert_verdict(rig, answer, "expired")
    assert_link_is_not_shown(rig, answer, url)


def test_a_presigned_link_that_was_changed(rig: Rig, bucket: RunningB2) -> None:
    url = presigned(bucket).replace("me.mp4", "you.mp4")
    answer = rig.run(video_url=url)
    assert_verdict(rig, answer, "tampered")
    assert_link_is_not_shown(rig, answer, url)


def test_a_presigned_link_to_nothing(rig: Rig, bucket: RunningB2) -> None:
    assert_verdict(rig, rig.run(video_url=presigned(bucket, "faces/nobody.mp4")), "404")
