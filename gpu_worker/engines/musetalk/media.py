"""Converts media for upstream's program: the voice before it, and its pictures with the app's sound after it."""

import json
from pathlib import Path

from gpu_worker.adapters.media_tools import ToolRunner
from gpu_worker.engines.port import PreparedInputs
from gpu_worker.media.frames import COUNT_SEC, FPS

VOICE_RATE = 16_000  # Hz, the rate that Whisper works on
SAMPLES_A_FRAME = VOICE_RATE // FPS
# Upstream reads BT.709 pictures as RGB and gives RGB to its encoder, which converts it with BT.601's matrix and writes
# no tag (measured: luma 121 where BT.709 has 116). Players take untagged HD for BT.709 and show shifted colours; with
# the right tags they show the right ones. Numbers of ITU-T H.273: primaries and transfer of BT.709, matrix of BT.601.
TRUE_COLOURS = "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=6"
CONVERT_SEC = 600.0  # copies pictures and encodes 10 minutes of sound; the run's deadline may end it earlier
SOUND_BITRATE = "192k"  # speech in stereo without audible loss


def write_voice(runner: ToolRunner, inputs: PreparedInputs, target: Path) -> None:
    """Writes the voice for the model: 16 kHz mono, as long as the frames of the output and half a frame more.

    Upstream counts frames as floor(samples / 16000 * 25) in floating point, after a resampling that rounds up: at the
    exact edge of a frame it makes one too many or one too few. Raises ToolFailure, ToolTimeout.
    """
    samples = inputs.frames * SAMPLES_A_FRAME + SAMPLES_A_FRAME // 2
    chain = f"aresample={VOICE_RATE},apad,atrim=end_sample={samples}"
    source = ["-v", "error", "-i", str(inputs.audio), "-map", "0:a:0", "-ac", "1", "-af", chain]
    runner.convert([*source, "-c:a", "pcm_s16le", "-f", "wav", str(target)], CONVERT_SEC)


def count(runner: ToolRunner, path: Path) -> tuple[int, bool]:
    """Returns how many frames a file holds and whether it has sound; raises ToolFailure, ToolTimeout, ValueError."""
    entries = ["-count_packets", "-show_entries", "stream=codec_type,nb_read_packets", "-of", "json"]
    answer = json.loads(runner.probe(["-v", "error", *entries, "-i", str(path)], COUNT_SEC).stdout)
    packets = {"video": 0, "audio": 0}
    for stream in answer.get("streams", []):
        kind = stream.get("codec_type")
        packets[kind] = packets.get(kind, 0) + int(stream.get("nb_read_packets", 0))
    return packets["video"], packets["audio"] > 0


def join(runner: ToolRunner, pictures: Path, voice: Path, output: Path) -> None:
    """Joins upstream's pictures, unchanged, with the whole voice in its full quality; raises ToolFailure, ToolTimeout.

    Upstream's own file has the model's 16 kHz sound and its index at the end.
    """
    sources = ["-v", "error", "-i", str(pictures), "-i", str(voice), "-map", "0:v:0", "-map", "1:a:0"]
    codecs = ["-c:v", "copy", "-bsf:v", TRUE_COLOURS, "-c:a", "aac", "-b:a", SOUND_BITRATE, "-ar", "48000"]
    container = ["-map_metadata", "-1", "-video_track_timescale", "12800", "-movflags", "+faststart", "-f", "mp4"]
    runner.convert([*sources, *codecs, *container, str(output)], CONVERT_SEC)
