"""Checks that the Firestore emulator is started and stopped, and that a failed start is reported."""

import os
import socket

import pytest

from infra.local import firestore_emulator
from infra.local.stack.plan import choose_ports

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]


def test_the_emulator_starts_answers_and_ends(emulator_command: list[str]) -> None:
    port = choose_ports(0).firestore
    process = firestore_emulator.start(emulator_command, port, {"PATH": os.environ["PATH"]})
    try:
        firestore_emulator.wait_until_ready(process, port)
        assert firestore_emulator.answers(port)
    finally:
        firestore_emulator.stop(process)
    assert not firestore_emulator.answers(port)


def test_a_port_in_use_is_an_error_at_once(emulator_command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = firestore_emulator.start(emulator_command, port, {"PATH": os.environ["PATH"]})
        try:
            with pytest.raises(firestore_emulator.EmulatorError, match="ended with exit code"):
                firestore_emulator.wait_until_ready(process, port)
        finally:
            firestore_emulator.stop(process)
