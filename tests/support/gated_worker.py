"""The real GPU worker with the fake MuseTalk, run as a program: a job's video_url says at which stage it waits.

`?hold=prepare&gate=<url>&counter=<url>`: the worker asks `gate` at that stage and waits for the answer; it tells
`counter` each time it starts the engine. Where the answer at `engine` says `hang`, the fake MuseTalk hangs in its work.
"""

import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from gpu_worker.bootstrap import main as bootstrap
from gpu_worker.engines.musetalk.cold import MuseTalkCold
from gpu_worker.run import pipeline
from gpu_worker.transfer.download import Downloader
from gpu_worker.transfer.upload import Uploader

COMMAND = f"{sys.executable} {Path(__file__)}"
STAGES = ("download", "prepare", "engine", "verify", "upload", "sidecar", "answer")
WAIT_SEC = 120.0  # longer than any test holds a worker


class Gates:
    """Stands in the worker's way at one stage of each job."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._orders: dict[str, str] = {}

    def install(self) -> None:
        """Puts a gate before each stage."""
        self._before(pipeline.Pipeline, "make_video", self._read_orders)
        self._before(Downloader, "fetch", lambda *_: self._hold("download"))
        self._before(pipeline, "probe_video", lambda *_: self._hold("prepare"))
        self._before(MuseTalkCold, "render", lambda *_: self._start_engine())
        self._before(pipeline, "verify_output", lambda *_: self._hold("verify"))
        self._before(Uploader, "upload_sidecar", lambda *_: self._hold("sidecar"))
        self._before(pipeline, "ok_answer", lambda *_: self._hold("answer"))
        self._in_the_middle_of_uploads()

    def _before(self, owner: Any, name: str, act: Callable[..., object]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def gated(*arguments: Any, **named: Any) -> Any:
            act(*arguments)
            return original(*arguments, **named)

        setattr(owner, name, gated)

    def _in_the_middle_of_uploads(self) -> None:
        original = Uploader.upload_video

        def gated(uploader: Uploader, output: Any, key: str, record: str | None, on_bytes: Any) -> None:
            def hear(done: int) -> None:
                if 0 < done < output.size_bytes:
                    self._hold("upload")
                on_bytes(done)

            original(uploader, output, key, record, hear)

        setattr(Uploader, original.__name__, gated)

    def _read_orders(self, run: pipeline.Pipeline) -> None:
        query = parse_qs(urlsplit(run.job.video_url).query)
        self._orders = {name: values[0] for name, values in query.items()}

    def _start_engine(self) -> None:
        ask(self._orders["counter"])
        answer = self._hold("engine")
        (self._checkout / "fault").write_text(answer if answer == "hang" else "")

    def _hold(self, stage: str) -> str:
        if self._orders.get("hold") != stage:
            return ""
        self._orders["hold"] = ""  # once in a run
        return ask(self._orders["gate"])


def ask(url: str) -> str:
    """Waits for an answer and gives its body."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=WAIT_SEC).text


def main() -> int:
    """Runs the worker."""
    checkout = Path(os.environ["TMPDIR"], "fake_musetalk")
    shutil.copytree(Path(__file__).parent / "fake_musetalk", checkout, dirs_exist_ok=True)
    Gates(checkout).install()
    own = {"ENGINE": "musetalk_cold", "MUSETALK_WORKDIR": str(checkout), "MUSETALK_PYTHON": sys.executable}
    return bootstrap.main({**os.environ, **own})


if __name__ == "__main__":
    sys.exit(main())
