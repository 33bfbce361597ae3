"""The table in docs/media.md has the worker's texts word for word."""

from pathlib import Path

import pytest

from gpu_worker.domain.failures import ANOTHER_NODE_MAY_HELP, ErrorCode, JobError
from gpu_worker.media.probe import judge_video
from tests.functional.gpu_worker.verdict_table import TABLE, Verdict

PAGE = Path(__file__).parents[3] / "docs" / "media.md"


def row(verdict: Verdict) -> str:
    """Returns a verdict's row of the page."""
    again = "yes" if verdict.again else "no"
    return f"| {verdict.situation} | `{verdict.code}` | {again} | {verdict.message} |"


def test_the_page_has_the_table_of_the_texts() -> None:
    table = PAGE.read_text().partition("## Verdicts")[2].splitlines()
    rows = [line for line in table if line.startswith("| ") and not line.startswith("| situation")]
    assert rows == [row(verdict) for verdict in TABLE.values()]


def test_every_row_has_a_code_of_the_closed_list_and_its_way_of_trying_again() -> None:
    assert {verdict.code for verdict in TABLE.values()} <= set(ErrorCode)
    for verdict in TABLE.values():
        assert not verdict.again or ErrorCode(verdict.code) in ANOTHER_NODE_MAY_HELP


def test_dolby_vision_without_a_base_layer_is_refused() -> None:
    """Tested with ffprobe's description alone, because no free encoder makes such a file."""
    side_data = [{"dv_profile": 5, "dv_bl_signal_compatibility_id": 0}]
    stream = {"codec_type": "video", "codec_name": "hevc", "width": 64, "height": 64, "side_data_list": side_data}
    with pytest.raises(JobError) as caught:
        judge_video({"streams": [stream], "format": {}})
    assert TABLE["dolby"].fits(caught.value.message)
