"""The video that a run makes: exact frames, size, sound and mark, from every kind of source."""

import hashlib
import json

import pytest

from tests.functional.gpu_worker.media_checks import assert_requested_video
from tests.functional.gpu_worker.rig import Clips, Inspector, Rig, Site
from tests.support.events import events

MP4, SIDECAR = "musetalk/outputs/job-1.mp4", "musetalk/outputs/job-1.json"


@pytest.mark.parametrize(
    ("clip", "size"),
    [
        ("face.mp4", (160, 120)),
        ("face_and_voice.mp4", (160, 120)),
        ("ntsc_odd.mkv", (160, 120)),
        ("ten_bit.mp4", (160, 120)),
        ("variable.mp4", (160, 120)),
        ("anamorphic.mp4", (320, 120)),
        ("vp9.webm", (160, 120)),
    ],
)
def test_every_kind_of_video_becomes_the_requested_one(
    rig: Rig, site: Site, clips: Clips, inspector: Inspector, clip: str, size: tuple[int, int]
) -> None:
    site.files["/face.mp4"] = clips.data(clip)
    assert_requested_video(rig, inspector, rig.run(), size, 32, 1.3)


def test_rotation_is_applied(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    site.files["/face.mp4"] = clips.rotated()
    assert_requested_video(rig, inspector, rig.run(), (120, 160), 32, 1.3)


@pytest.mark.parametrize(
    ("clip", "frames", "audio_sec"),
    [
        ("voice.flac", 32, 1.3),
        ("surround.wav", 32, 1.3),
        ("face_and_voice.mp4", 32, 1.3),
        ("exact_44100.wav", 50, 2.0),  # an exact multiple: resampling must not lose the last frame
    ],
)
def test_every_kind_of_audio_gives_its_exact_number_of_frames(
    rig: Rig, site: Site, clips: Clips, inspector: Inspector, clip: str, frames: int, audio_sec: float
) -> None:
    site.files["/voice.wav"] = clips.data(clip)
    assert_requested_video(rig, inspector, rig.run(), (160, 120), frames, audio_sec)


def test_a_brief_mp3_is_still_known_as_one(rig: Rig, site: Site, clips: Clips) -> None:
    site.files["/voice.wav"] = clips.data("brief.mp3")
    assert rig.run().body["status"] == "ok"


def test_mp3(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    site.files["/voice.wav"] = clips.data("voice.mp3")
    answer = rig.run()
    seconds = float(inspector.streams(rig.output())["audio"]["duration"])
    assert abs(seconds - 1.3) < 0.1
    assert answer.body["output"]["frames"] in (32, 33)


@pytest.mark.parametrize(
    ("aspect_ratio", "resolution", "size"), [("9:16", "480p", (480, 854)), ("1:1", "source", (120, 120))]
)
def test_the_requested_geometry_is_made(
    rig: Rig, inspector: Inspector, aspect_ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    answer = rig.run(aspect_ratio=aspect_ratio, resolution=resolution)
    assert_requested_video(rig, inspector, answer, size, 32, 1.3)


def test_a_short_source_is_played_forward_then_back(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    site.files["/face.mp4"] = clips.data("ramp.mp4")
    site.files["/voice.wav"] = clips.data("exact_44100.wav")
    assert rig.run().body["status"] == "ok"
    shades = [frame[0] for frame in inspector.gray_frames(rig.output(), "2:2:80:20", 4)]
    numbers = [round((shade - 40) / 4) for shade in shades]
    assert numbers == [*range(25), *reversed(range(25))]


def test_the_mark_is_in_every_frame(rig: Rig, site: Site, clips: Clips, inspector: Inspector) -> None:
    site.files["/face.mp4"] = clips.data("ramp.mp4")
    assert rig.run().body["status"] == "ok"
    for frame in inspector.gray_frames(rig.output(), "140:16:10:96", 140 * 16):
        assert max(frame) > 200, "no white letters"
        assert min(frame) < 40, "no dark bar"


def test_sidecar_comes_last_and_describes_the_video(rig: Rig) -> None:
    answer = rig.run()
    assert rig.storage.puts == [MP4, SIDECAR]
    sidecar = json.loads(rig.storage.files[SIDECAR])
    assert sidecar["output"] == answer.body["output"]
    assert (sidecar["job_id"], sidecar["attempt"], sidecar["run_id"]) == ("job-1", 1, "run-1")
    assert sidecar["inputs"]["video"]["sha256"] == hashlib.sha256(rig.site.files["/face.mp4"]).hexdigest()


def test_metrics_hold_only_what_was_measured(rig: Rig) -> None:
    metrics = rig.run().body["metrics"]
    assert set(metrics) == {
        "generation_time_sec",
        "script_wall_time_sec",
        "peak_vram_mib",
        "peak_ram_kb",
        "stages",
        "frames",
        "engine",
        "gpu_class",
        "cost_usd",
    }
    assert (metrics["engine"], metrics["frames"], metrics["generation_time_sec"]) == ("preview", 32, None)
    assert list(metrics["stages"]) == [
        "starting",
        "downloading",
        "preparing",
        "generating",
        "encoding",
        "uploading",
        "verifying",
    ]
    assert 0 < metrics["script_wall_time_sec"] <= sum(metrics["stages"].values())
    assert metrics["peak_ram_kb"] > 10_000


def test_scratch_is_private_and_gone_afterwards(rig: Rig) -> None:
    seen = []
    rig.storage.on_put = lambda file: seen.append(file.path.parent.stat().st_mode & 0o777)
    rig.run()
    assert seen == [0o700, 0o700]
    assert list(rig.work_dir.iterdir()) == []


def test_no_secret_is_logged(rig: Rig) -> None:
    rig.run(upload={"key_id": "k", "app_key": "job-key-secret", "bucket": "bucket", "prefix": "p/"})
    assert rig.storage.puts == ["p/job-1.mp4", "p/job-1.json"]
    assert {event["request_id"] for event in events(rig.stream.getvalue())} == {"request-1"}
    for secret in ("query-secret", "token-secret", "job-key-secret", "app-key-secret"):
        assert secret not in rig.stream.getvalue()
