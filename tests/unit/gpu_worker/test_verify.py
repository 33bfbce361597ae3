"""The check of the output: every deviation is found."""

import io
from typing import Any

import pytest

from gpu_worker.media.verify import Expected, find_deviations, top_level_atoms

EXPECTED = Expected(width=480, height=854, frames=75, audio_sec=3.02)
VIDEO = {
    "codec_type": "video",
    "codec_name": "h264",
    "pix_fmt": "yuv420p",
    "width": 480,
    "height": 854,
    "nb_read_packets": "75",
    "r_frame_rate": "25/1",
    "avg_frame_rate": "25/1",
    "duration": "3.000000",
}
AUDIO = {"codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "duration": "3.020000"}


def test_the_requested_video_passes() -> None:
    assert find_deviations({"streams": [VIDEO, AUDIO]}, EXPECTED) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"nb_read_packets": "74"}, "frames"),
        ({"r_frame_rate": "30/1"}, "frame rate"),
        ({"avg_frame_rate": "0/1"}, "average frame rate"),
        ({"width": 482}, "width"),
        ({"height": 852}, "height"),
        ({"codec_name": "hevc"}, "video codec"),
        ({"pix_fmt": "yuv444p"}, "pixel format"),
        ({"duration": "3.05"}, "video lasts"),
    ],
)
def test_each_deviation_of_the_picture_is_named(change: dict[str, Any], named: str) -> None:
    (deviation,) = find_deviations({"streams": [VIDEO | change, AUDIO]}, EXPECTED)
    assert named in deviation


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"codec_name": "mp3"}, "audio codec"),
        ({"sample_rate": "44100"}, "audio rate"),
        ({"duration": "2.96"}, "audio lasts"),
        ({"duration": "3.08"}, "audio lasts"),
    ],
)
def test_each_deviation_of_the_sound_is_named(change: dict[str, Any], named: str) -> None:
    (deviation,) = find_deviations({"streams": [VIDEO, AUDIO | change]}, EXPECTED)
    assert named in deviation


@pytest.mark.parametrize("streams", [[], [VIDEO], [AUDIO], [VIDEO, VIDEO, AUDIO]])
def test_one_track_of_each_kind(streams: Any) -> None:
    assert find_deviations({"streams": streams}, EXPECTED)


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def test_boxes_are_read_in_order_also_with_long_sizes() -> None:
    long_box = (1).to_bytes(4, "big") + b"free" + (20).to_bytes(8, "big") + b"1234"
    data = box(b"ftyp", b"isom") + long_box + box(b"moov", b"") + box(b"mdat", b"xyz")
    assert top_level_atoms(io.BytesIO(data)) == ["ftyp", "free", "moov", "mdat"]


@pytest.mark.parametrize("data", [b"", b"\0\0", bytes(64), b"\0\0\0\1free\0\0\0\0\0\0\0\0"])
def test_malformed_data_does_not_hang_the_reading_of_boxes(data: bytes) -> None:
    assert len(top_level_atoms(io.BytesIO(data))) <= 1
