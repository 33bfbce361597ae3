"""A full disk: the same verdict at every stage, never the app's fault, never a broken video."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpu_worker.domain.failures import DiskFullError
from gpu_worker.node.disk import require_free
from tests.functional.gpu_worker.rig import Inspector, Rig, Site
from tests.support.events import events
from tests.support.node_metadata import FakeMetadata
from tests.support.waiting import eventually
from tests.support.worker_process import B2_KEYS, Worker, http

KIB = 1024
# From nothing to more than a run writes; where the disk fills up in between depends on the encoder.
ROOM = [0, 8, 24, 48, 80, 120, 160, 200, 240, 280, 320, 360, 400, 450, 500, 600, 800, 1500]
FULL = {"code": "internal", "message": "The GPU node's disk is full.", "retryable": True}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    place = tmp_path / "work"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(mounting, check=False, capture_output=True, timeout=20)
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED on a full disk: this user may not mount one: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=20)


def fill(place: Path, leave: int) -> Path:
    """Fills a disk up to some bytes; returns the file that does."""
    free = os.statvfs(place)
    filler = place / "filler"
    filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - leave))
    return filler


def test_a_disk_that_fills_up_at_any_stage_is_reported_and_nothing_broken_is_stored(
    rig: Rig, small_disk: Path, inspector: Inspector, site: Site
) -> None:
    rig.work_dir = small_disk
    stages, made = set(), 0
    for room in ROOM:
        job_id = f"job-{room}"
        filler = fill(small_disk, room * KIB)
        answer = rig.run(job_id=job_id)
        filler.unlink()
        assert list(small_disk.iterdir()) == [], "the run left something behind"
        stored = [name for name in rig.storage.files if job_id + "." in name]
        if answer.body["status"] == "ok":
            made += 1
            video = inspector.streams(rig.storage.files[f"musetalk/outputs/{job_id}.mp4"])["video"]
            assert (video["nb_read_frames"], len(stored)) == ("32", 2)
            continue
        error = answer.body["error"]
        assert answer.http_status == 503
        assert error | {"stage": None} == FULL | {"stage": None}, (room, error)
        assert site.reports[-1]["error"] == error, "the reason goes out before the answer that Salad throws away"
        assert all(name.endswith(".mp4") for name in stored), "a video without its sidecar is the most there may be"
        stages.add(error["stage"])
    assert made >= 1, "the largest room was too small"
    assert {"downloading", "preparing"} < stages, stages
    assert events(rig.stream.getvalue(), "disk_full")


def test_a_worker_survives_a_full_disk_and_gives_up_a_node_that_is_full_again(
    start: Callable[..., Worker], b2: str, rig: Rig, small_disk: Path, metadata: FakeMetadata
) -> None:
    settings = {"SALAD_METADATA_URI": metadata.url, "MIN_FREE_DISK_MB": "0.001"}
    worker = start(B2_REALM=b2, **settings, **B2_KEYS)
    filler = fill(small_disk, 8 * KIB)
    status, answer = worker.generate(rig.job(job_id="job-1"))
    assert (status, answer["error"]) == (503, FULL | {"stage": "downloading"})
    worker.event("disk_full", job_id="job-1")
    assert http("GET", f"{b2}/_sim/state")[1]["files"] == []
    assert list(small_disk.iterdir()) == [filler]

    filler.unlink()
    assert worker.generate(rig.job(job_id="job-1"))[1]["status"] == "ok"
    assert worker.get("/hc")[0] == 200

    fill(small_disk, 8 * KIB)
    for job_id in ("job-2", "job-3"):
        assert metadata.reasons == [], "one full disk is no verdict on the node"
        assert worker.generate(rig.job(job_id=job_id))[0] == 503
    eventually(lambda: metadata.reasons)
    assert metadata.reasons[0].startswith("disk too small")
    assert worker.get("/hc")[0] == 503


def test_a_run_that_finds_too_little_room_fetches_nothing(
    start: Callable[..., Worker], rig: Rig, site: Site, small_disk: Path
) -> None:
    worker = start(MIN_FREE_DISK_MB="500", **B2_KEYS)
    status, answer = worker.generate(rig.job())
    assert (status, answer["error"]) == (503, FULL | {"stage": "starting"})
    assert "/face.mp4" not in site.log


def test_room_enough_is_no_failure(tmp_path: Path) -> None:
    require_free(tmp_path / "new", 1)
    with pytest.raises(DiskFullError):
        require_free(tmp_path, 2**60)
