"""What counts as damage: which pictures a lost one spoils, which gaps count, and how much may pass."""

from collections.abc import Sequence

import pytest

from gpu_worker.media.damage import Stretch, Unit, holes, intolerable, merged, video_damage

KEY, PREDICTED, DISCARDED = 1, 0, 4


def group(*moments: float, key_at: tuple[float, ...] = (0.0,)) -> list[Unit]:
    """Packets of 0.1 s in decoding order."""
    return [Unit(moment, 0.1, KEY if moment in key_at else PREDICTED) for moment in moments]


def without(packets: Sequence[Unit], *lost: float) -> list[Unit]:
    return [unit for unit in packets if unit.begin_sec not in lost]


def test_a_whole_video_has_no_damage() -> None:
    packets = group(0.0, 0.1, 0.2)
    assert video_damage(packets, packets, 0.3) == []


def test_a_lost_picture_spoils_all_up_to_the_next_key_frame() -> None:
    packets = group(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, key_at=(0.0, 0.4))
    assert video_damage(packets, without(packets, 0.1), 0.6) == [Stretch(0.1, 0.4)]


def test_a_lost_b_frame_spoils_itself_alone() -> None:
    packets = group(0.0, 0.3, 0.1, 0.2, 0.6, 0.4, 0.5)
    assert video_damage(packets, without(packets, 0.2), 0.7) == [Stretch(0.2, 0.3)]


def test_pictures_before_the_first_key_frame_were_never_there() -> None:
    packets = group(0.0, 0.1, 0.2, 0.3, key_at=(0.2,))
    assert intolerable(video_damage(packets, without(packets, 0.0, 0.1), 0.4)) is None


def test_pictures_that_the_edit_list_leaves_out_are_not_lost() -> None:
    packets = [Unit(0.0, 0.1, KEY), Unit(0.1, 0.1, DISCARDED), Unit(0.2, 0.1, PREDICTED)]
    assert intolerable(video_damage(packets, without(packets, 0.1), 0.3)) is None


def test_times_that_the_file_does_not_name_are_no_loss() -> None:
    packets = [Unit(None, 0.1, KEY), Unit(0.1, 0.1, KEY), Unit(None, 0.1, PREDICTED)]
    assert video_damage(packets, [Unit(0.1, 0.1)], None) == [Stretch(0.0, 0.1)]


def test_holes_in_a_voice_and_its_missing_end() -> None:
    assert holes([Unit(0.0, 1.0), Unit(1.5, 1.0)], 0.0, 3.0) == [Stretch(1.0, 1.5), Stretch(2.5, 3.0)]
    assert holes([Unit(0.0, 1.0)], 0.0, None) == []


@pytest.mark.parametrize(
    ("stretches", "verdict"),
    [
        ([], None),
        ([Stretch(1.0, 1.2)], None),
        ([Stretch(1.0, 1.1), Stretch(2.0, 2.3)], Stretch(2.0, 2.3)),
        ([Stretch(second, second + 0.125) for second in range(8)], None),
        ([Stretch(second, second + 0.125) for second in range(9)], Stretch(0, 0.125)),
    ],
)
def test_only_short_stretches_of_damage_pass(stretches: list[Stretch], verdict: Stretch | None) -> None:
    found = intolerable(stretches)
    assert (found and (found.begin_sec, round(found.end_sec, 6))) == (verdict and (verdict.begin_sec, verdict.end_sec))


def test_stretches_that_touch_are_one() -> None:
    assert merged([Stretch(1.0, 2.0), Stretch(0.0, 1.0), Stretch(3.0, 4.0)]) == [Stretch(0.0, 2.0), Stretch(3.0, 4.0)]
