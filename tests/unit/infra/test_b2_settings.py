"""Guards what the B2 simulator takes as settings and as file names."""

import pytest

from infra.local.b2_sim.errors import NativeError
from infra.local.b2_sim.fields import checked_file_name
from infra.local.b2_sim.settings import SettingsError, read_settings

GOOD = {"B2_KEY_ID": "004x", "B2_APP_KEY": "K004x", "B2_BUCKET_NAME": "avatar-outputs", "DATA_DIR": "/data"}


def test_defaults_are_a_free_port_and_a_private_bucket() -> None:
    settings = read_settings(GOOD)
    assert (settings.port, settings.bucket_type, settings.region) == (0, "allPrivate", "us-west-004")


def test_the_master_key_does_not_show_when_settings_are_printed() -> None:
    assert GOOD["B2_APP_KEY"] not in repr(read_settings(GOOD))


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PORT": "x", "B2_BUCKET_NAME": "Bad", "B2_BUCKET_TYPE": "open", "B2_KEY_ID": "004x"})
    named = [line.split()[0] for line in str(refused.value).splitlines()]
    assert named == ["B2_APP_KEY", "DATA_DIR", "PORT", "B2_BUCKET_NAME", "B2_BUCKET_TYPE"]


@pytest.mark.parametrize("name", ["a", "a/b.mp4", "ä/ö", "x" * 250, "/".join(["x" * 250] * 4)])
def test_valid_names_are_accepted(name: str) -> None:
    assert checked_file_name(name) == name


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a\nb", "a\x7f", "x" * 251, "/".join(["x" * 250] * 5)])
def test_names_that_b2_refuses_are_refused(name: str) -> None:
    with pytest.raises(NativeError) as refused:
        checked_file_name(name)
    assert (refused.value.status, refused.value.code) == (400, "bad_request")
