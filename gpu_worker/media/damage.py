"""Finds the stretches of a file that cannot be decoded; ffmpeg conceals them and ends with 0.

A file that decodes without a message is whole. After any message it is decoded once more, strictly: packets that give
no picture or sound are lost, and pictures predicted from a lost picture count as lost.
"""

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.adapters.media_tools import SAFE_INPUT, ToolFailure, ToolRunner

TOLERATED_SEC = 0.2  # of one stretch: five frames, or less than a syllable; longer ones can be seen and heard
TOLERATED_SUM_SEC = 1.0  # of all stretches together
TOLERATED_SHARE = 0.05  # of the announced length of a sound: an MP3 without an index announces an estimate
MATCH_SEC = 0.002  # times are compared in milliseconds, rounded twice
SCAN_SEC = 600.0  # as long as a conversion may take
COPIED, DECODED = "packets.crc", "decoded.crc"  # names of the scan's lists in the scratch directory
IS_KEY, IS_DISCARDED = 1, 4  # AV_PKT_FLAG_KEY, AV_PKT_FLAG_DISCARD
UNKNOWN_TIME = -(2**63)  # AV_NOPTS_VALUE
TIME_BASE = re.compile(r"#tb \d+: (\d+)/(\d+)")


@dataclass(frozen=True)
class Unit:
    """A packet, or what was decoded from it. begin_sec: when it is shown or heard, None where it is unknown."""

    begin_sec: float | None
    length_sec: float
    flags: int = IS_KEY


@dataclass(frozen=True)
class Stretch:
    """A part of a file, in seconds from its start."""

    begin_sec: float
    end_sec: float

    @property
    def length_sec(self) -> float:
        """Its length, seconds."""
        return self.end_sec - self.begin_sec


def scan_video(runner: ToolRunner, source: Path, used_sec: float, announced_sec: float | None) -> Stretch | None:
    """Decodes the used part of a video strictly; returns the damage if it is too much. Raises ToolFailure,
    ToolTimeout."""
    packets, decoded = _scan(runner, source, "v", used_sec, ["-vf", "scale=16:16:flags=neighbor"])
    end_sec = None if announced_sec is None else min(used_sec, announced_sec)
    return intolerable(video_damage(packets, decoded, end_sec))


def scan_audio(runner: ToolRunner, source: Path, used_sec: float, announced_sec: float | None) -> Stretch | None:
    """Decodes the used part of a voice track strictly; returns and raises like scan_video."""
    _, decoded = _scan(runner, source, "a", used_sec, [])
    end_sec = None if announced_sec is None else min(used_sec, announced_sec * (1 - TOLERATED_SHARE))
    return intolerable(holes(decoded, 0.0, end_sec))


def intolerable(stretches: Sequence[Stretch]) -> Stretch | None:
    """Returns the longest stretch when it, or all of them together, are too long; None when the file may pass."""
    longest = max(stretches, key=lambda stretch: stretch.length_sec, default=None)
    if longest is None:
        return None
    total = sum(stretch.length_sec for stretch in stretches)
    return longest if longest.length_sec > TOLERATED_SEC or total > TOLERATED_SUM_SEC else None


def video_damage(packets: Sequence[Unit], decoded: Sequence[Unit], end_sec: float | None) -> list[Stretch]:
    """Returns the lost stretches of a picture track: lost pictures with all that depend on them, and times without
    any."""
    begins = sorted(unit.begin_sec for unit in decoded if unit.begin_sec is not None)
    steps = sorted(later - sooner for sooner, later in itertools.pairwise(begins))
    usual_step = steps[len(steps) // 2] if steps else 0.0
    return merged([*_lost_pictures(packets, begins), *holes(decoded, usual_step, end_sec)])


def holes(decoded: Sequence[Unit], usual_step: float, end_sec: float | None) -> list[Stretch]:
    """Returns the gaps between decoded units, and the gap after the last one up to end_sec.

    usual_step: for pictures, how long one is shown until the next, seconds; 0 for sound.
    """
    found, reached = [], 0.0
    for unit in sorted((unit for unit in decoded if unit.begin_sec is not None), key=lambda unit: unit.begin_sec or 0):
        begin_sec = unit.begin_sec or 0.0
        if begin_sec > reached + MATCH_SEC:
            found.append(Stretch(reached, begin_sec))
        reached = max(reached, begin_sec + max(unit.length_sec if usual_step == 0 else 0.0, usual_step))
    if end_sec is not None and end_sec > reached + MATCH_SEC:
        found.append(Stretch(reached, end_sec))
    return found


def merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Returns the same stretches without overlaps, in order."""
    found: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.begin_sec):
        if found and stretch.begin_sec <= found[-1].end_sec + MATCH_SEC:
            found[-1] = Stretch(found[-1].begin_sec, max(found[-1].end_sec, stretch.end_sec))
        else:
            found.append(stretch)
    return found


def _lost_pictures(packets: Sequence[Unit], decoded_sec: Sequence[float]) -> list[Stretch]:
    """Returns the stretches that lost pictures spoil; packets: in decoding order.

    A lost picture that is shown before one that was decoded earlier (a B-frame) spoils the time up to that one; any
    other spoils everything up to the next key frame.
    """
    timed = [unit for unit in packets if unit.begin_sec is not None and not unit.flags & IS_DISCARDED]
    keys = sorted(unit.begin_sec or 0.0 for unit in timed if unit.flags & IS_KEY)
    if not keys or not decoded_sec:
        return []
    end = max((unit.begin_sec or 0.0) + unit.length_sec for unit in timed)
    lost, latest = [], keys[0]
    for unit in timed:
        begin = unit.begin_sec or 0.0
        is_before_the_first_key = begin < keys[0]  # recordings may start within a group of pictures
        if not is_before_the_first_key and begin < decoded_sec[-1] and not _is_near(begin, decoded_sec):
            following = bisect.bisect_right(keys, begin)
            next_key = keys[following] if following < len(keys) else end
            lost.append(Stretch(begin, latest if begin < latest else next_key))
        latest = max(latest, begin)
    return lost


def _is_near(moment: float, times: Sequence[float]) -> bool:
    place = bisect.bisect_left(times, moment - MATCH_SEC)
    return place < len(times) and times[place] <= moment + MATCH_SEC


def _scan(
    runner: ToolRunner, source: Path, kind: str, used_sec: float, filters: list[str]
) -> tuple[list[Unit], list[Unit]]:
    """Returns the packets in decoding order, and what a decoder that conceals nothing makes of them."""
    copied, decoded = source.with_name(COPIED), source.with_name(DECODED)
    part = ["-map", f"0:{kind}:0", "-t", f"{used_sec:.6f}"]
    passthrough = ["-fps_mode", "passthrough", "-enc_time_base", "1:1000"] if kind == "v" else []
    strictly = [f"-err_detect:{kind}", "explode"]
    arguments = ["-v", "error", "-max_error_rate", "1", *strictly, *SAFE_INPUT, "-i", str(source)]
    outputs = [*part, *filters, *passthrough, "-f", "framecrc", str(decoded)]
    try:
        runner.convert(
            [*arguments, *outputs, *part, "-c", "copy", "-copyinkf", "-f", "framecrc", str(copied)], SCAN_SEC
        )
        return _read(copied), _read(decoded)
    except ToolFailure:
        if not copied.exists() or not decoded.exists():
            raise
        return _read(copied), _read(decoded)
    finally:
        copied.unlink(missing_ok=True)
        decoded.unlink(missing_ok=True)


def _read(path: Path) -> list[Unit]:
    """Reads ffmpeg's framecrc format: stream, dts, pts, duration, size, checksum, and flags unless they are 1."""
    tick, units = 0.0, []
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            base = TIME_BASE.match(line)
            if base:
                tick = int(base[1]) / int(base[2])
            if line.startswith("#"):
                continue
            fields = [field.strip() for field in line.split(",")]
            flags = next((int(field[2:], 16) for field in fields if field.startswith("F=")), IS_KEY)
            begin = int(fields[2])
            units.append(Unit(None if begin == UNKNOWN_TIME else begin * tick, int(fields[3]) * tick, flags))
    return units
