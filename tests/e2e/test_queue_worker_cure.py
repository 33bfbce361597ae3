"""A queue worker that has stopped asking for jobs is cured by its worker, which is unready for a while."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.e2e.queue_worker_peers import WAIT_SEC, Peers, held_video, peers

pytestmark = pytest.mark.e2e
IDLE_CURE_SEC = 20  # longer than the test needs to end the stream
STEPS = {
    "salad_sim_stream_closed", "salad_sim_readiness_told", "salad_sim_stream_opened", "salad_sim_job_dispatched",
}  # fmt: skip
CURE_SEC = IDLE_CURE_SEC + WAIT_SEC


@pytest.fixture(scope="module", params=["stand-in", "binary"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """One instance whose worker cures after a short idle time."""
    program = os.environ.get("SALAD_QUEUE_WORKER", "") if request.param == "binary" else ""
    if request.param == "binary" and not program:
        pytest.skip("NOT TESTED against Salad's own queue worker: SALAD_QUEUE_WORKER does not name it")
    own = {"IDLE_CURE_SEC": str(IDLE_CURE_SEC)}
    with peers(tmp_path_factory.mktemp(request.param), program, worker_settings=own) as started:
        yield started


def test_a_queue_worker_that_stopped_asking_is_noticed_and_cured(running: Peers) -> None:
    instance = running.idle_instance()
    worker = int(instance["pid"])
    before = len(running.salad.log())
    running.end_stream(instance["id"], code="NOT_FOUND")
    with held_video() as video:
        video.stopping.set()
        salad_job_id = running.submit(uuid4().hex, f"{video.url}/face.mp4")
        done = running.salad.finished(salad_job_id, CURE_SEC)

    happened = [(line["event"], line.get("ready")) for line in running.salad.log()[before:] if line["event"] in STEPS]
    assert happened[:5] == [
        ("salad_sim_stream_closed", None),
        ("salad_sim_readiness_told", False),
        ("salad_sim_readiness_told", True),
        ("salad_sim_stream_opened", None),
        ("salad_sim_job_dispatched", None),
    ], "no stream is opened before the instance was unready"
    assert (done["status"], done["output"]["status"]) == ("succeeded", "ok")
    assert running.attempts(salad_job_id) == 1
    assert (running.instance()["id"], int(running.instance()["pid"])) == (instance["id"], worker), "nothing restarted"
