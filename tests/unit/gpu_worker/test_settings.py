"""The settings: defaults, one message for all faults, and that the document lists each of them."""

from pathlib import Path

import pytest

from gpu_worker.settings import SETTINGS, SettingsError, read_settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "environment-worker.md"


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read_settings({})
    assert (settings.port, settings.engine, settings.rehearsal, settings.storage) == (8000, "preview", False, None)
    assert (settings.max_video_bytes, settings.max_audio_bytes) == (500_000_000, 100_000_000)
    assert (settings.min_audio_sec, settings.max_audio_sec, settings.prefix) == (0.5, 600, "musetalk/outputs/")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"PORT": "", "B2_KEY_ID": ""}).port == 8000


def test_one_message_names_all_faults() -> None:
    environment = {
        "PORT": "70000",
        "ENGINE": "magic",
        "REHEARSAL_MODE": "yes",
        "MAX_VIDEO_MB": "-1",
        "MAX_AUDIO_SEC": "inf",
        "B2_KEY_ID": "k",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    for name in ("PORT", "ENGINE", "REHEARSAL_MODE", "MAX_VIDEO_MB", "MAX_AUDIO_SEC", "B2_APP_KEY", "B2_BUCKET_NAME"):
        assert name in str(caught.value)


def test_the_message_never_shows_a_key() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"PORT": "x", "B2_APP_KEY": "very-secret"})
    assert "very-secret" not in str(caught.value)


def test_storage_needs_all_three() -> None:
    settings = read_settings({"B2_KEY_ID": "k", "B2_APP_KEY": "s", "B2_BUCKET_NAME": "b"})
    assert settings.storage is not None
    assert (settings.storage.key_id, settings.storage.app_key, settings.storage.bucket) == ("k", "s", "b")


def test_the_document_lists_every_setting_with_default_and_meaning() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default is not None else "-"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in lines
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(SETTINGS)
