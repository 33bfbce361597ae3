"""Shows that the sample media are served with the lengths and ranges that downloads rely on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "infra" / "local" / "media"


@pytest.fixture(scope="module")
def media() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.media_server"],
        cwd=ROOT,
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


@pytest.mark.parametrize(("name", "kind"), [("face.mp4", "video/mp4"), ("speech.wav", "audio/")])
def test_samples_have_their_length_and_type(media: str, name: str, kind: str) -> None:
    head = requests.head(f"{media}/{name}", timeout=5)
    assert int(head.headers["Content-Length"]) == (SAMPLES / name).stat().st_size
    assert head.headers["Content-Type"].startswith(kind)
    assert requests.get(f"{media}/{name}", timeout=5).content == (SAMPLES / name).read_bytes()


def test_ranges_are_served(media: str) -> None:
    answer = requests.get(f"{media}/face.mp4", headers={"Range": "bytes=10-19"}, timeout=5)
    assert (answer.status_code, answer.content) == (206, (SAMPLES / "face.mp4").read_bytes()[10:20])


def test_nothing_outside_the_directory_is_served(media: str) -> None:
    url = f"{media}/..%2fmedia_server.py"
    assert requests.get(url, timeout=5).status_code == 404
