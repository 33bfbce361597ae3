"""Clips of the kinds that phones, cameras and bad disks make, each made by ffmpeg when it is first asked for."""

import json
import random
import subprocess
from pathlib import Path

from gpu_worker.adapters.media_tools import find_tools

TOOLS = find_tools(None, None)
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
NOISE = "anoisesrc=colour=pink:amplitude=0.3:sample_rate=48000"
# Four columns: black, PQ 0.307 (about 15 cd/m2), reference white (203 cd/m2), 1000 cd/m2; HLG: 0.384, 0.75, 1.0.
PQ_COLUMNS, HLG_COLUMNS = (64, 333, 573, 723), (64, 400, 721, 940)


def picture(size: str, seconds: float, rate: str = "25") -> list[str]:
    """Arguments of a moving test picture; not testsrc2, which makes odd sizes even."""
    return ["-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds:g}"]


def hdr(columns: tuple[int, int, int, int], transfer: str) -> list[str]:
    """Arguments of one second of four grey columns, 10-bit BT.2020 in HEVC as phones write it."""
    shades = f"if(lt(X,40),{columns[0]},if(lt(X,80),{columns[1]},if(lt(X,120),{columns[2]},{columns[3]})))"
    grey = f"format=yuv420p10le,geq=lum='{shades}':cb=512:cr=512"
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=limited"
    told = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    source = ["-f", "lavfi", "-i", "color=black:size=160x120:rate=25:duration=1", "-vf", f"{grey},{tags}"]
    return [*source, "-c:v", "libx265", "-x265-params", told, "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"]


RECIPES = {
    "pq.mp4": hdr(PQ_COLUMNS, "smpte2084"),
    "hlg.mp4": hdr(HLG_COLUMNS, "arib-std-b67"),
    "sd_red.mp4": ["-f", "lavfi", "-i", "color=0xC02020:size=160x120:rate=25:duration=1", *H264],
    "full_range.mp4": ["-f", "lavfi", "-i", "color=white:s=160x120:d=1", *H264[:4], "-pix_fmt", "yuvj420p"],
    "4k.mp4": [*picture("3840x2160", 0.4), *H264],
    "8k.mp4": [*picture("4352x2176", 0.04), *H264],
    "ten_bit.mp4": [*picture("160x120", 1), *H264[:4], "-pix_fmt", "yuv420p10le"],
    "odd.mkv": [*picture("161x121", 1), *H264[:4], "-pix_fmt", "yuv444p"],
    "odd_hdr.mkv": [*picture("161x121", 1), *H264[:4], "-pix_fmt", "yuv444p10le", "-color_trc", "smpte2084"],
    "29.97.mp4": [*picture("160x120", 2, "30000/1001"), *H264],
    "variable.mp4": [*picture("160x120", 1), "-vf", "select='mod(n,3)'", "-fps_mode", "vfr", *H264],
    "face.mp4": [*picture("160x120", 1), *H264],
    "gop.mp4": [*picture("320x240", 4), *H264, "-g", "25"],
    "gop.mkv": ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4", *H264, "-g", "25"],
    "gop.webm": [*picture("320x240", 4), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"],
    "long.mp4": [*picture("160x120", 10), *H264],
    "voice.wav": ["-f", "lavfi", "-i", f"{NOISE}:duration=1.3"],
    "one.wav": ["-f", "lavfi", "-i", f"{NOISE}:duration=1"],
    "twenty.wav": ["-f", "lavfi", "-i", f"{NOISE}:duration=20"],
    "fifth.wav": ["-f", "lavfi", "-i", f"{NOISE}:duration=0.2"],
    "six.wav": ["-f", "lavfi", "-i", f"{NOISE}:duration=30"],
    "silent.wav": ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1"],
    "four.m4a": ["-f", "lavfi", "-i", f"{NOISE}:duration=4", "-c:a", "aac"],
    "four.mp3": ["-f", "lavfi", "-i", f"{NOISE}:duration=4", "-c:a", "libmp3lame"],
    "four.flac": ["-f", "lavfi", "-i", f"{NOISE}:duration=4", "-c:a", "flac"],
    "four.ogg": ["-f", "lavfi", "-i", f"{NOISE}:duration=4", "-c:a", "libvorbis"],
    "four.opus": ["-f", "lavfi", "-i", f"{NOISE}:duration=4", "-c:a", "libopus"],
    "image.png": [*picture("160x120", 0.04), "-frames:v", "1"],
}


class MoreClips:
    """Makes each clip once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def data(self, name: str) -> bytes:
        """The clip's bytes; "turned N": a phone video with a display matrix of N degrees."""
        path = self._directory / name
        if name.startswith("turned"):
            path = self._directory / f"{name}.mp4"
            self.data("face.mp4")
            turn = ["-display_rotation", name.split()[1], "-i", str(self._directory / "face.mp4"), "-c", "copy"]
            return self._made(path, turn)
        return self._made(path, RECIPES[name])

    def places(self, name: str) -> list[tuple[int, int]]:
        """Returns the place of each packet of the first video track, in decoding order: first byte and length."""
        self.data(name)
        shown = ["-select_streams", "v:0", "-show_entries", "packet=pos,size", "-of", "json"]
        command = [str(TOOLS.ffprobe), "-v", "error", *shown, str(self._directory / name)]
        found = json.loads(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
        return [(int(packet["pos"]), int(packet["size"])) for packet in found["packets"]]

    def _made(self, path: Path, arguments: list[str]) -> bytes:
        if not path.exists():
            command = [str(TOOLS.ffmpeg), "-v", "error", "-nostdin", "-y", *arguments, str(path)]
            subprocess.run(command, check=True, timeout=120, capture_output=True)
        return path.read_bytes()


def spoilt(data: bytes, begin: float, share: float) -> bytes:
    """Overwrites a share of the bytes from `begin` (a share as well) with noise."""
    start, length = int(len(data) * begin), int(len(data) * share)
    return data[:start] + random.Random(1).randbytes(length) + data[start + length :]


def complaints(data: bytes) -> str:
    """Returns ffmpeg's messages while it decodes a video, which prove that damage is damage."""
    command = [str(TOOLS.ffmpeg), "-v", "error", "-i", "pipe:", "-f", "null", "-"]
    return subprocess.run(command, input=data, check=True, timeout=60, capture_output=True).stderr.decode()
