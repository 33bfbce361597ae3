"""Fixtures of the worker's functional tests; rig.py has their classes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.ports import StorageFault
from tests.functional.gpu_worker.rig import Clips, Inspector, Rig, Site
from tests.support.node_metadata import FakeMetadata
from tests.support.worker_process import B2_KEYS, Process, Worker


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Tiny media made by ffmpeg."""
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def site(clips: Clips) -> Iterator[Site]:
    """A media and report server with a face and a voice on it."""
    server = Site()
    server.files = {"/face.mp4": clips.data("face.mp4"), "/voice.wav": clips.data("voice.wav")}
    yield server
    server.close()


@pytest.fixture
def rig(site: Site, tmp_path: Path) -> Rig:
    """A worker in this process, with the site as its media and report server."""
    return Rig(site, tmp_path / "work")


@pytest.fixture
def inspector(tmp_path: Path) -> Inspector:
    """Inspects outputs independently of the worker's code."""
    return Inspector(tmp_path)


@pytest.fixture
def storage_fault() -> Callable[..., StorageFault]:
    """Makes the fault that a storage raises."""
    return lambda is_final: StorageFault("refused", is_final=is_final)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers that end with the test."""
    started = []

    def begin(**settings: Any) -> Worker:
        started.append(Worker(tmp_path / "work", **settings))
        return started[-1]

    yield begin
    for process in started:
        process.close()


@pytest.fixture
def b2(tmp_path: Path) -> Iterator[str]:
    """A storage simulator; returns its origin."""
    directory = tmp_path / "b2"
    directory.mkdir()
    process = Process("infra.local.b2_sim", B2_KEYS | {"DATA_DIR": str(directory)}, stream="stdout")
    yield f"http://127.0.0.1:{process.event('b2_sim_ready')['port']}"
    process.close()


@pytest.fixture
def metadata() -> Iterator[FakeMetadata]:
    """The metadata service of one node."""
    fake = FakeMetadata()
    yield fake
    fake.close()
