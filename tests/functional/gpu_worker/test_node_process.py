"""The worker towards its node, with real processes: deletion cost, readiness, cure, giving up the node, drain."""

import os
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
from tests.support.worker_process import B2_KEYS, Worker, fake_musetalk, tools_of

PROBE_SEC = 1.0  # Salad's probe waits no longer for an answer


class Health(threading.Thread):
    """Asks /hc twenty times a second until it is stopped."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self._stopped = threading.Event()
        self.statuses: list[int] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self._stopped.wait(0.05):
            status, _, seconds = self._worker.get("/hc")
            self.statuses.append(status)
            self.seconds.append(seconds)

    def stop(self) -> None:
        self._stopped.set()
        self.join(10)


def test_the_deletion_cost_rises_with_a_job_and_falls_after_it(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, metadata: FakeMetadata
) -> None:
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, **B2_KEYS)
    eventually(lambda: metadata.costs == [0])
    gate, face = threading.Event(), site.files["/face.mp4"]
    site.files["/face.mp4"] = lambda handler: gate.wait(20) and handler.reply(200, face)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job())
        eventually(lambda: metadata.costs[-1] >= 100, what="the price of a job in the making")
        gate.set()
        assert request.result(60)[1]["status"] == "ok"
    eventually(lambda: metadata.costs[-1] == 0)
    assert len(metadata.costs) >= 3
    assert min(metadata.costs[1:-1]) >= 100
    assert set(metadata.headers) == {"true"}


def test_a_broken_metadata_service_fails_no_job(
    start: Callable[..., Worker], b2: str, rig: Rig, metadata: FakeMetadata
) -> None:
    metadata.is_broken = True
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, **B2_KEYS)
    assert worker.generate(rig.job())[1]["status"] == "ok"
    worker.event("imds_call_failed", operation="replace_deletion_cost")


def test_readiness_never_flaps_while_jobs_run(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, metadata: FakeMetadata
) -> None:
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, IDLE_CURE_SEC="900", **B2_KEYS)
    health = Health(worker)
    health.start()
    site.files["/bad.mp4"] = b"not a video"
    changes: list[dict[str, Any]] = [{}, {"video_url": f"{site.url}/bad.mp4"}, {}, {"attempt": 2}]
    outcomes = [
        worker.generate(rig.job(job_id=f"job-{number}", **change))[1]["status"] for number, change in enumerate(changes)
    ]
    eventually(lambda: len(health.statuses) >= 20)
    health.stop()
    assert outcomes == ["ok", "error", "ok", "ok"]
    assert set(health.statuses) == {200}
    assert sorted(health.seconds)[int(len(health.seconds) * 0.9)] < PROBE_SEC


def test_an_idle_worker_turns_its_readiness_off_once_and_accepts_jobs_again(
    start: Callable[..., Worker], b2: str, rig: Rig, metadata: FakeMetadata
) -> None:
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, IDLE_CURE_SEC="1", **B2_KEYS)
    worker.event("readiness_cure_started")
    eventually(lambda: worker.get("/hc")[0] == 503)
    assert worker.get("/live")[0] == 200
    assert worker.generate(rig.job())[1]["status"] == "ok", "a job that comes meanwhile is taken"
    worker.event("readiness_cure_ended", outcome="job")
    assert worker.get("/hc")[0] == 200


def test_a_cure_ends_when_salad_has_seen_it(start: Callable[..., Worker], metadata: FakeMetadata) -> None:
    worker = start(SALAD_METADATA_URI=metadata.url, IDLE_CURE_SEC="1", **B2_KEYS)
    eventually(lambda: worker.get("/hc")[0] == 503)
    metadata.is_ready = False  # as the probe finds it
    worker.event("readiness_cure_ended", outcome="seen")


def test_hopeless_hardware_is_given_back_and_accepts_no_more_jobs(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, metadata: FakeMetadata, tmp_path: Path
) -> None:
    own = fake_musetalk(tmp_path, "no_kernel_image")
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, **own, **B2_KEYS)
    status, answer = worker.generate(rig.job())
    assert (status, answer["error"]["code"]) == (503, "gpu_fault")
    assert site.reports[-1]["error"]["code"] == "gpu_fault", "the reason goes out before the node"
    eventually(lambda: metadata.reasons)
    assert len(metadata.reasons) == 1
    assert "no kernel image" in metadata.reasons[0]
    assert len(metadata.reasons[0]) <= 1000
    assert (worker.get("/hc")[0], worker.get("/live")[0]) == (503, 200)


def test_one_gpu_fault_keeps_the_node_and_two_in_a_row_give_it_up(
    start: Callable[..., Worker], b2: str, rig: Rig, metadata: FakeMetadata, tmp_path: Path
) -> None:
    own = fake_musetalk(tmp_path, "device_assert")
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, **own, **B2_KEYS)
    for job_id in ("job-1", "job-1", "job-2"):
        assert metadata.reasons == []
        assert worker.get("/hc")[0] == 200
        assert worker.generate(rig.job(job_id=job_id))[1]["error"]["code"] == "gpu_fault"
    eventually(lambda: metadata.reasons)
    assert "two jobs" in metadata.reasons[0]


def test_a_run_that_stores_its_video_may_finish_after_sigterm(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site
) -> None:
    gate = threading.Event()

    def slow_at_upload(report: dict[str, Any]) -> Any:
        if report["phase"] == "uploading":
            gate.wait(20)
        return {"cancel": False, "remaining_seconds": 600}

    site.on_report = slow_at_upload
    worker = start(B2_REALM=b2, **B2_KEYS)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job())
        eventually(lambda: "report uploading" in site.log)
        worker.child.send_signal(signal.SIGTERM)
        worker.event("draining")
        gate.set()
        status, answer = request.result(20)
    assert (status, answer["status"]) == (200, "ok")
    assert worker.child.wait(10) == 0
    assert worker.event("stopped")["all_answered"] is True


def test_a_run_that_generates_is_interrupted_by_sigterm_with_its_whole_engine(
    start: Callable[..., Worker], b2: str, rig: Rig, site: Site, tmp_path: Path
) -> None:
    worker = start(B2_REALM=b2, **fake_musetalk(tmp_path, "hang"), **B2_KEYS)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(worker.generate, rig.job())
        eventually(lambda: len(descendants(worker.child.pid)) >= 3)
        engine = descendants(worker.child.pid)
        with within(8):
            worker.child.send_signal(signal.SIGTERM)
            status, answer = request.result(20)
            assert worker.child.wait(20) == 0
    assert (status, answer["error"]["code"]) == (503, "worker_interrupted")
    assert site.reports[-1]["error"]["code"] == "worker_interrupted"
    assert not any(map(is_alive, engine))
    assert list((tmp_path / "work").rglob("run-*")) == []


def facts_of(pid: int, *places: Path) -> dict[str, int]:
    """Returns what a process holds: memory in kB, open files, threads, children, and bytes below some places."""
    status = Path(f"/proc/{pid}/status").read_text()
    named = dict(line.partition(":")[::2] for line in status.splitlines())
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {
        "kb": int(named["VmRSS"].split()[0]),
        "threads": int(named["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208
        "children": len(descendants(pid)) + len(tools_of(pid)),
        "bytes": sum(path.stat().st_size for path in files),
    }


def test_fifty_jobs_leave_no_more_resources_in_use_than_five(
    start: Callable[..., Worker], b2: str, rig: Rig, tmp_path: Path, metadata: FakeMetadata
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    worker = start(B2_REALM=b2, SALAD_METADATA_URI=metadata.url, TMPDIR=str(temporary), **B2_KEYS)

    def run(first: int, last: int) -> None:
        for number in range(first, last):
            assert worker.generate(rig.job(job_id=f"job-{number}"))[1]["status"] == "ok"

    def facts() -> dict[str, int]:
        return facts_of(worker.child.pid, tmp_path / "work", temporary)

    run(0, 5)
    # the connection of an answered request closes a little later
    after_five = eventually(lambda: found if (found := facts())["children"] == found["bytes"] == 0 else None)
    # 8 MB for the allocator's noise; 45 jobs that kept their connections, threads and buffers would keep more
    allowed = {"kb": 8 * 1024, "threads": 1, "files": 1, "children": 0, "bytes": 0}
    run(5, 50)

    def excess() -> dict[str, int]:
        return {name: kept for name, kept in facts().items() if kept > after_five[name] + allowed[name]}

    eventually(lambda: not excess(), what=f"no more than {after_five} and {allowed}")
