"""What the tests of media share: an engine that counts its calls, and the two ways in which a run may end."""

import hashlib
from collections.abc import Callable
from typing import Any

from gpu_worker.adapters.media_tools import ToolRunner
from gpu_worker.domain.progress import RunProgress
from gpu_worker.engines.port import PreparedInputs, Rendered
from gpu_worker.engines.preview import PreviewEngine
from gpu_worker.wire import Answer
from tests.functional.gpu_worker.clips_more import TOOLS
from tests.functional.gpu_worker.rig import Inspector, Rig
from tests.functional.gpu_worker.verdict_table import TABLE


class CountingEngine(PreviewEngine):
    """The preview engine with a count of its calls, which stands for the GPU time that was used."""

    def __init__(self) -> None:
        super().__init__(TOOLS, None)
        self.renders = 0
        self.prepared: dict[str, dict[str, Any]] = {}
        self.look: Callable[[bytes], dict[str, dict[str, Any]]] = lambda data: {}

    def render(self, inputs: PreparedInputs, runner: ToolRunner, progress: RunProgress) -> Rendered:
        self.renders += 1
        self.prepared = self.look(inputs.video.read_bytes())
        return super().render(inputs, runner, progress)


def assert_verdict(rig: Rig, answer: Answer, row: str) -> None:
    """Checks that the run ended with a verdict of the table and that no engine was started."""
    wanted, error = TABLE[row], answer.body["error"]
    assert wanted.fits(error["message"]), error["message"]
    assert (error["code"], error["retryable"]) == (wanted.code, wanted.again)
    assert answer.http_status == (503 if wanted.again else 200)
    assert "_url" in error["message"], "it must name the field"
    assert rig.engine.renders == 0, "the verdict cost a GPU's time"
    assert rig.storage.puts == []


def assert_right(
    rig: Rig, inspector: Inspector, answer: Answer, size: tuple[int, int], frames: int, audio_sec: float
) -> None:
    """Checks the stored video, whatever it was made of."""
    assert (answer.http_status, answer.body["status"]) == (200, "ok"), (answer.body, rig.stream.getvalue())
    assert rig.engine.renders == 1
    streams = inspector.streams(rig.output())
    video, audio = streams["video"], streams["audio"]
    assert (video["width"], video["height"]) == size
    assert (int(video["nb_read_frames"]), video["r_frame_rate"], video["avg_frame_rate"]) == (frames, "25/1", "25/1")
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert not any("rotation" in data for data in video.get("side_data_list", []))
    assert abs(float(video["duration"]) - frames / 25) <= 0.04
    assert (audio["codec_name"], audio["sample_rate"]) == ("aac", "48000")
    assert abs(float(audio["duration"]) - audio_sec) <= 0.05
    for stream in (video, rig.engine.prepared.get("video", video)):
        assert [stream.get(f"color_{name}") for name in ("space", "transfer", "primaries", "range")] == [
            "bt709", "bt709", "bt709", "tv",
        ]  # fmt: skip


def assert_requested_video(
    rig: Rig, inspector: Inspector, answer: Answer, size: tuple[int, int], frames: int, audio_sec: float
) -> None:
    """Checks answer and stored file against each other and against what was requested."""
    assert (answer.http_status, answer.body["status"]) == (200, "ok"), (answer.body, rig.stream.getvalue())
    streams = inspector.streams(rig.output())
    video, audio = streams["video"], streams["audio"]
    assert (int(video["nb_read_frames"]), video["r_frame_rate"], video["avg_frame_rate"]) == (frames, "25/1", "25/1")
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert (video["width"], video["height"]) == size
    assert video.get("sample_aspect_ratio", "1:1") == "1:1"
    assert abs(float(video["duration"]) - frames / 25) <= 0.04
    assert (audio["codec_name"], audio["sample_rate"]) == ("aac", "48000")
    assert abs(float(audio["duration"]) - audio_sec) <= 0.05
    assert answer.body["output"] == {
        "bucket": "bucket",
        "key": "musetalk/outputs/job-1.mp4",
        "size_bytes": len(rig.output()),
        "sha1": hashlib.sha1(rig.output()).hexdigest(),
        "duration_sec": frames / 25,
        "width": size[0],
        "height": size[1],
        "fps": 25,
        "frames": frames,
    }
