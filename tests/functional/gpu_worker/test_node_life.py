"""The worker's start and end on a node: hopeless hardware, SIGTERM during the start, a drain that takes too long."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.functional.gpu_worker.rig import Rig, Site
from tests.support.node_metadata import FakeMetadata
from tests.support.processes import descendants, is_alive
from tests.support.waiting import eventually, within
from tests.support.worker_process import B2_KEYS, Process, Worker, fake_musetalk

GRACE_SEC = 8.0  # promised in docs/worker.md


def program(path: Path, *lines: str) -> str:
    """Writes a shell program; returns its path."""
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return str(path)


def test_hopeless_hardware_at_the_start_is_given_back_while_the_server_goes_on(
    start: Callable[..., Worker], rig: Rig, site: Site, metadata: FakeMetadata, tmp_path: Path
) -> None:
    own = fake_musetalk(tmp_path, "") | {"MUSETALK_PYTHON": program(tmp_path / "python", "echo '{\"cuda\": false}'")}
    worker = start(SALAD_METADATA_URI=metadata.url, SALAD_MACHINE_ID="machine", **own, **B2_KEYS)
    eventually(lambda: metadata.reasons == ["there is no GPU that CUDA can use"])
    assert (worker.get("/hc")[0], worker.get("/live")[0]) == (503, 200)
    status, answer = worker.generate(rig.job())
    assert (status, answer["error"]["code"]) == (503, "worker_interrupted")
    assert site.log == [], "the job was begun"
    assert worker.child.poll() is None, "an exit would only restart it on the same node"
    assert len(metadata.reasons) == 1


def test_sigterm_while_the_engine_starts_ends_the_worker_and_what_it_started(
    tmp_path: Path, metadata: FakeMetadata
) -> None:
    own = fake_musetalk(tmp_path, "") | {"MUSETALK_PYTHON": program(tmp_path / "python", "exec sleep 100")}
    node = {"SALAD_METADATA_URI": metadata.url, "SALAD_MACHINE_ID": "machine", "PORT": "0"}
    process = Process("gpu_worker", own | node | {"WORK_DIR": str(tmp_path / "work")})
    eventually(lambda: descendants(process.child.pid))
    started = descendants(process.child.pid)
    with within(GRACE_SEC):
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(20) == 0
    process.close()
    assert not any(map(is_alive, started))
    assert [line["event"] for line in process.lines][-1] == "stopped"


def test_a_drain_that_takes_too_long_is_answered_503_within_the_grace(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site
) -> None:
    def hang_from_the_upload_on(report: dict[str, Any]) -> Any:
        if report["phase"] == "uploading":
            uploading.set()
            site.closing.wait(30)
        return {"cancel": False, "remaining_seconds": 600}

    uploading = threading.Event()
    site.on_report = hang_from_the_upload_on
    worker = start(B2_REALM=b2, DRAIN_SEC="2", **B2_KEYS)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job())
        eventually(uploading.is_set)
        with within(GRACE_SEC):
            worker.child.send_signal(signal.SIGTERM)
            worker.event("draining")
            status, answer = request.result(20)
            assert worker.child.wait(20) == 0
    assert (status, answer["error"]["code"]) == (503, "worker_interrupted")
    assert worker.event("stopped")["all_answered"] is True
