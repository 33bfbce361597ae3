"""A finished video is reused and never made twice, if it is whole and belongs to this job."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from gpu_worker.ports import StorageFault
from gpu_worker.transfer.sidecar import as_record
from tests.functional.gpu_worker.media_checks import CountingEngine
from tests.functional.gpu_worker.rig import Rig, Site

MP4, SIDECAR = "musetalk/outputs/job-1.mp4", "musetalk/outputs/job-1.json"


@pytest.fixture
def counting(rig: Rig) -> Rig:
    """The rig with an engine that counts."""
    rig.engine = CountingEngine()
    return rig


def test_the_sidecar_describes_the_inputs_and_holds_no_address(counting: Rig, site: Site) -> None:
    answer = counting.run(video_url=f"{site.url}/face.mp4?X-Amz-Signature=query-secret")
    text = counting.storage.files[SIDECAR].decode()
    sidecar = json.loads(text)
    assert (sidecar["job_id"], sidecar["attempt"], sidecar["run_id"]) == ("job-1", 1, "run-1")
    video, audio = sidecar["inputs"]["video"], sidecar["inputs"]["audio"]
    assert (video["width"], video["height"], video["crop"]) == (160, 120, [160, 120, 0, 0])
    assert video["sha256"] == hashlib.sha256(site.files["/face.mp4"]).hexdigest()
    assert audio["sha256"] == hashlib.sha256(site.files["/voice.wav"]).hexdigest()
    assert sidecar["output"] == answer.body["output"]
    assert sidecar["output"]["sha1"] == hashlib.sha1(counting.output()).hexdigest()
    assert (sidecar["output"]["frames"], sidecar["metrics"]["engine"]) == (32, "preview")
    assert set(sidecar["versions"]) == {"gpu_worker", "ffmpeg"}
    for told in ("http", "query-secret", "token-secret", "app-key-secret"):
        assert told not in text


def test_the_record_beside_the_video_holds_the_sidecar_and_fits_into_the_buckets_headers(counting: Rig) -> None:
    counting.run()
    record, sidecar = counting.storage.records[MP4], json.loads(counting.storage.files[SIDECAR])
    assert record is not None
    assert len(record) < 1500, "little room is left for more facts"
    unpacked = unpack(record)
    assert {**unpacked, "metrics": None} == {**sidecar, "metrics": None}


def test_a_run_after_a_finished_one_answers_with_its_video_and_makes_none(counting: Rig, site: Site) -> None:
    first = counting.run()
    before = list(site.log)
    again = counting.run(attempt=2)
    assert again.body["status"] == "ok"
    assert again.body["output"] == first.body["output"]
    for name in ("engine", "frames", "script_wall_time_sec", "peak_ram_kb"):
        assert again.body["metrics"][name] == first.body["metrics"][name], "the video was made once"
    assert (again.body["attempt"], again.body["reused"], counting.engine.renders) == (2, True, 1)
    assert counting.storage.puts == [MP4, SIDECAR]
    assert "/face.mp4" not in site.log[len(before) :], "its inputs were fetched for nothing"


def test_a_video_whose_run_died_before_its_sidecar_is_used_and_gets_one(counting: Rig) -> None:
    first = counting.run()
    del counting.storage.files[SIDECAR]
    again = counting.run()
    assert (again.body["output"], counting.engine.renders) == (first.body["output"], 1)
    assert counting.storage.puts == [MP4, SIDECAR, SIDECAR]
    assert json.loads(counting.storage.files[SIDECAR])["output"] == first.body["output"]


def unpack(record: Any) -> Any:
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(record)))


def with_output(record: Any, **changes: Any) -> Any:
    return as_record(record | {"output": record["output"] | changes})


SPOILS: dict[str, Callable[[Any], str | None]] = {
    "no record": lambda record: None,
    "no text of ours": lambda record: "{",
    "cut off": lambda record: str(as_record(record))[:100],
    "a list": lambda record: base64.urlsafe_b64encode(zlib.compress(b"[]")).decode(),
    "a bomb": lambda record: base64.urlsafe_b64encode(zlib.compress(b"[" * 10_000_000)).decode(),
    "another job": lambda record: as_record(record | {"job_id": "job-2"}),
    "a newer form": lambda record: as_record(record | {"schema_version": 2}),
    "another size": lambda record: with_output(record, size_bytes=1),
    "another hash": lambda record: with_output(record, sha1="0" * 40),
    "no number": lambda record: with_output(record, frames=True),
    "asked otherwise": lambda record: as_record(record | {"inputs": record["inputs"] | {"resolution": "480p"}}),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_file_that_may_be_of_another_job_is_made_again(counting: Rig, spoil: str) -> None:
    counting.run()
    counting.storage.records[MP4] = SPOILS[spoil](unpack(counting.storage.records[MP4]))
    assert counting.run().body["status"] == "ok"
    assert counting.engine.renders == 2


def test_a_video_is_made_although_the_storage_fails_at_the_start(
    counting: Rig, storage_fault: Callable[..., StorageFault]
) -> None:
    answers = [storage_fault(is_final=False)]

    def away_once(_key: str) -> None:
        if answers:
            raise answers.pop()

    counting.storage.on_look_up = away_once
    assert counting.run().body["status"] == "ok"
    assert answers == [], "the fault did not happen"


def test_a_key_that_is_refused_is_noticed_before_any_gpu_time(
    counting: Rig, site: Site, storage_fault: Callable[..., StorageFault]
) -> None:
    def refuse(_key: str) -> None:
        raise storage_fault(is_final=True)

    counting.storage.on_look_up = refuse
    answer = counting.run()
    assert (answer.http_status, answer.body["error"]["code"]) == (200, "upload_failed")
    assert (counting.engine.renders, "/face.mp4" in site.log) == (0, False)
