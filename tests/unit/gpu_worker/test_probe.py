"""The verdicts on ffprobe's description of a file."""

from fractions import Fraction
from typing import Any

import pytest

from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.media.probe import judge_audio, judge_video

VIDEO = {"codec_type": "video", "codec_name": "h264", "width": 640, "height": 360, "duration": "2.0"}
AUDIO = {"codec_type": "audio", "codec_name": "aac", "sample_rate": "44100"}


def probed(*streams: Any, **file_format: Any) -> dict[str, Any]:
    return {"streams": list(streams), "format": file_format}


def test_a_plain_video() -> None:
    facts = judge_video(probed(AUDIO, VIDEO))
    assert (facts.stored_width, facts.stored_height, facts.pixel_aspect) == (640, 360, Fraction(1))
    assert facts.duration_sec == 2.0


@pytest.mark.parametrize(
    ("rotation", "size"), [(90, (360, 640)), (-90, (360, 640)), (180, (640, 360)), (270, (360, 640))]
)
def test_rotation_swaps_the_sides(rotation: int, size: tuple[int, int]) -> None:
    facts = judge_video(probed(VIDEO | {"side_data_list": [{"rotation": rotation}]}))
    assert (facts.stored_width, facts.stored_height) == size


def test_rotation_turns_the_pixels_as_well() -> None:
    turned = VIDEO | {"side_data_list": [{"rotation": 90}], "sample_aspect_ratio": "64:45"}
    assert judge_video(probed(turned)).pixel_aspect == Fraction(45, 64)


@pytest.mark.parametrize("text", ["0:1", "1:0", "N/A", "", None])
def test_unknown_pixel_shape_counts_as_square(text: Any) -> None:
    assert judge_video(probed(VIDEO | {"sample_aspect_ratio": text})).pixel_aspect == 1


def test_the_duration_may_be_in_the_format_or_missing() -> None:
    stream = {key: value for key, value in VIDEO.items() if key != "duration"}
    assert judge_video(probed(stream, duration="3.5")).duration_sec == 3.5
    assert judge_video(probed(stream, duration="N/A")).duration_sec is None


def test_dolby_vision_with_a_base_layer_is_accepted() -> None:
    side_data = [{"dv_profile": 8, "dv_bl_signal_compatibility_id": 4}]
    told = {"color_transfer": "arib-std-b67", "color_space": "bt2020nc", "side_data_list": side_data}
    assert judge_video(probed(VIDEO | told)).colours.is_hdr


@pytest.mark.parametrize(
    ("name", "is_estimate"), [("mp3", True), ("aac", True), ("wav", False), ("mov,mp4,m4a", False)]
)
def test_streams_without_an_index_only_estimate_their_length(name: str, is_estimate: bool) -> None:
    facts = judge_audio(probed(AUDIO | {"duration": "2.5"}, format_name=name))
    assert (facts.announced_sec, facts.is_estimate) == (2.5, is_estimate)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (probed(AUDIO), ErrorCode.NO_VIDEO_STREAM),
        (probed(), ErrorCode.NO_VIDEO_STREAM),
        ({}, ErrorCode.NO_VIDEO_STREAM),
        (probed(VIDEO | {"disposition": {"attached_pic": 1}}, AUDIO), ErrorCode.NO_VIDEO_STREAM),
        (probed(VIDEO | {"width": 0}), ErrorCode.MEDIA_CORRUPT),
        (probed(VIDEO | {"codec_name": "unknown"}), ErrorCode.UNSUPPORTED_MEDIA),
        (
            probed(VIDEO | {"side_data_list": [{"dv_profile": 5, "dv_bl_signal_compatibility_id": 0}]}),
            ErrorCode.UNSUPPORTED_MEDIA,
        ),
        (probed(VIDEO | {"width": 7680, "height": 4320}), ErrorCode.INPUT_TOO_LARGE),
    ],
)
def test_videos_that_cannot_be_used(answer: dict[str, Any], code: str) -> None:
    with pytest.raises(JobError) as caught:
        judge_video(answer)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert "video_url" in caught.value.message


def test_audio_verdicts() -> None:
    assert judge_audio(probed(VIDEO, AUDIO)).sample_rate == 44100
    with pytest.raises(JobError) as caught:
        judge_audio(probed(VIDEO))
    assert caught.value.code is ErrorCode.NO_AUDIO_STREAM
    with pytest.raises(JobError) as caught:
        judge_audio(probed(AUDIO | {"codec_name": "none"}))
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
