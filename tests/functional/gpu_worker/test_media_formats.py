"""Every kind of picture and sound: it becomes the requested video, or a verdict before any GPU works."""

import random

import pytest

from gpu_worker.media.prepare import AudioLimits
from gpu_worker.run.pipeline import Limits
from tests.functional.gpu_worker.clips_more import MoreClips, complaints, spoilt
from tests.functional.gpu_worker.media_checks import CountingEngine, assert_right, assert_verdict
from tests.functional.gpu_worker.rig import Clips, Inspector, Rig, Site

PEAK_4K_KB = 1_500_000  # for a 4K picture in and out: half of the smallest machine that rehearses


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> MoreClips:
    return MoreClips(tmp_path_factory.mktemp("more"))


@pytest.fixture
def rig(rig: Rig, site: Site, more: MoreClips, inspector: Inspector) -> Rig:
    """The worker of conftest with an engine that counts, production's limits of length, and a whole voice."""
    rig.engine = CountingEngine()
    rig.engine.look = inspector.streams
    rig.limits = Limits(20_000_000, 5_000_000, AudioLimits(0.5, 25.0), download_sec=20.0, upload_sec=10.0)
    site.files["/voice.wav"] = more.data("voice.wav")
    return rig


@pytest.mark.parametrize(
    ("clip", "size"),
    [
        ("ten_bit.mp4", (160, 120)),
        ("odd.mkv", (160, 120)),
        ("odd_hdr.mkv", (160, 120)),
        ("variable.mp4", (160, 120)),
        ("29.97.mp4", (160, 120)),
        ("turned 90", (120, 160)),
        ("turned 180", (160, 120)),
        ("turned 270", (120, 160)),
        ("pq.mp4", (160, 120)),
        ("hlg.mp4", (160, 120)),
        ("full_range.mp4", (160, 120)),
    ],
)
def test_every_kind_of_picture_becomes_the_requested_video(
    rig: Rig, site: Site, more: MoreClips, inspector: Inspector, clip: str, size: tuple[int, int]
) -> None:
    site.files["/face.mp4"] = more.data(clip)
    assert_right(rig, inspector, rig.run(), size, 32, 1.3)


@pytest.mark.parametrize(("resolution", "size"), [("720p", (1280, 720)), ("source", (3840, 2160))])
def test_4k_is_accepted_with_bounded_memory(
    rig: Rig, site: Site, more: MoreClips, inspector: Inspector, resolution: str, size: tuple[int, int]
) -> None:
    site.files |= {"/face.mp4": more.data("4k.mp4"), "/voice.wav": more.data("one.wav")}
    answer = rig.run(resolution=resolution)
    assert_right(rig, inspector, answer, size, 25, 1.0)
    assert answer.body["metrics"]["peak_ram_kb"] < PEAK_4K_KB


def test_more_than_4k_is_refused(rig: Rig, site: Site, more: MoreClips) -> None:
    site.files["/face.mp4"] = more.data("8k.mp4")
    assert_verdict(rig, rig.run(), "pixels")


@pytest.mark.parametrize("clip", ["pq.mp4", "hlg.mp4"])
def test_hdr_becomes_sdr_with_real_black_and_white(
    rig: Rig, site: Site, more: MoreClips, inspector: Inspector, clip: str
) -> None:
    """The four columns: black stays black, reference white is bright, highlights are brighter without being cut."""
    site.files["/face.mp4"] = more.data(clip)
    assert rig.run().body["status"] == "ok"
    shades = [inspector.gray_frames(rig.output(), f"4:4:{column}:20", 16)[5][5] for column in (16, 56, 96, 136)]
    assert 14 <= shades[0] <= 20
    assert 70 <= shades[1] <= 120, shades
    assert 190 <= shades[2] <= 215, "washed out: only converted, reference white would come out between 140 and 182"
    assert shades[2] + 15 <= shades[3] <= 236


def test_full_range_is_brought_to_limited_range(rig: Rig, site: Site, more: MoreClips, inspector: Inspector) -> None:
    site.files["/face.mp4"] = more.data("full_range.mp4")
    assert rig.run().body["status"] == "ok"
    assert 233 <= inspector.gray_frames(rig.output(), "4:4:80:20", 16)[5][5] <= 236


def test_sd_colours_keep_their_look_under_the_new_tags(
    rig: Rig, site: Site, more: MoreClips, inspector: Inspector
) -> None:
    """Red 0xC02020 is 85 in BT.601, as the untagged source has it, and 73 in BT.709."""
    site.files["/face.mp4"] = more.data("sd_red.mp4")
    assert rig.run().body["status"] == "ok"
    assert abs(inspector.gray_frames(rig.output(), "4:4:80:20", 16)[5][5] - 73) <= 3


@pytest.mark.parametrize(("video", "audio", "frames"), [("face.mp4", "twenty.wav", 500), ("long.mp4", "one.wav", 25)])
def test_the_length_of_the_voice_alone_sets_that_of_the_video(
    rig: Rig, site: Site, more: MoreClips, inspector: Inspector, video: str, audio: str, frames: int
) -> None:
    site.files |= {"/face.mp4": more.data(video), "/voice.wav": more.data(audio)}
    assert_right(rig, inspector, rig.run(), (160, 120), frames, frames / 25)


@pytest.mark.parametrize(
    ("field", "clip", "row"),
    [
        ("/voice.wav", "fifth.wav", "brief"),
        ("/voice.wav", "six.wav", "long"),
        ("/voice.wav", "silent.wav", "silent"),
        ("/voice.wav", "face.mp4", "no audio"),
        ("/face.mp4", "voice.wav", "no video"),
        ("/face.mp4", "image.png", "kind"),
    ],
)
def test_sources_that_no_video_can_be_made_of(
    rig: Rig, site: Site, more: MoreClips, field: str, clip: str, row: str
) -> None:
    site.files[field] = more.data(clip)
    assert_verdict(rig, rig.run(), row)


def test_damage_at_the_start(rig: Rig, site: Site, more: MoreClips) -> None:
    site.files["/face.mp4"] = spoilt(more.data("gop.mp4"), 0.0, 0.02)
    assert_verdict(rig, rig.run(), "start")


def test_damage_everywhere(rig: Rig, site: Site, more: MoreClips) -> None:
    site.files["/face.mp4"] = spoilt(more.data("gop.mp4"), 0.01, 0.9)
    assert_verdict(rig, rig.run(), "undecodable")


def test_a_picture_too_long_and_narrow(rig: Rig, site: Site, clips: Clips) -> None:
    site.files["/face.mp4"] = clips.data("ribbon.mp4")
    assert_verdict(rig, rig.run(resolution="1080p"), "narrow")


@pytest.mark.parametrize("clip", ["gop.mp4", "gop.webm"])
def test_damage_in_the_middle_of_the_picture_is_named_by_its_second(
    rig: Rig, site: Site, more: MoreClips, clip: str
) -> None:
    site.files |= {"/face.mp4": spoilt(more.data(clip), 0.5, 0.1), "/voice.wav": more.data("four.flac")}
    answer = rig.run()
    assert_verdict(rig, answer, "video middle")
    begin = float(answer.body["error"]["message"].split("about ")[1].split(" s")[0])
    assert 1.5 <= begin <= 2.6


@pytest.mark.parametrize("clip", ["four.m4a", "four.mp3", "four.flac", "four.ogg", "four.opus"])
def test_damage_in_the_middle_of_the_voice(rig: Rig, site: Site, more: MoreClips, clip: str) -> None:
    site.files["/voice.wav"] = spoilt(more.data(clip), 0.5, 0.2)
    assert_verdict(rig, rig.run(), "audio middle")


def test_damage_after_the_used_part_is_ignored(rig: Rig, site: Site, more: MoreClips, inspector: Inspector) -> None:
    site.files["/face.mp4"] = spoilt(more.data("gop.mp4"), 0.6, 0.2)
    assert_right(rig, inspector, rig.run(), (320, 240), 32, 1.3)


def test_damage_too_short_to_be_seen_passes(rig: Rig, site: Site, more: MoreClips, inspector: Inspector) -> None:
    """The last picture of the second group of 25: nothing is predicted from it."""
    first, size = more.places("gop.mkv")[49]
    data = more.data("gop.mkv")
    begin, end = first + size // 4, first + size  # the block's header stays as it is
    site.files["/face.mp4"] = data[:begin] + random.Random(1).randbytes(end - begin) + data[end:]
    assert complaints(site.files["/face.mp4"]), "nothing was damaged"
    site.files["/voice.wav"] = more.data("four.flac")
    assert_right(rig, inspector, rig.run(), (320, 240), 100, 4.0)
