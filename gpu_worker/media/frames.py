"""The frame rate of every output, and the count of the frames that a file really holds; its header may be wrong."""

import json
from pathlib import Path

from gpu_worker.adapters.media_tools import ToolRunner

FPS = 25  # frames a second of every output: the rate that MuseTalk was trained on
COUNT_SEC = 120.0  # reads the file once without decoding: a GB takes seconds


def count_frames(runner: ToolRunner, path: Path) -> int:
    """Returns the number of packets in the first video track, which is one for each frame in our files; raises
    ToolFailure."""
    entries = ["-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "json"]
    arguments = ["-v", "error", "-select_streams", "v:0", *entries, "-i", str(path)]
    streams = json.loads(runner.probe(arguments, COUNT_SEC).stdout).get("streams", [])
    return int(streams[0].get("nb_read_packets", 0)) if streams else 0
