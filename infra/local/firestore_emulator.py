"""Finds Google's Firestore emulator and Java on this machine, and starts and stops the emulator on loopback."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.processes import NEW_GROUP, kill_group, spawn

MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"  # as the SDK's own start script has it
JAR_IN_SDK = Path("platform", "cloud-firestore-emulator", "cloud-firestore-emulator.jar")
START_SEC = 60  # an idle machine needs two seconds; a busy one with a cold disk far more
FIRST_CALLS_SEC = 15  # an idle machine needs one second
DATABASE = "projects/warm-up/databases/(default)"
POLL_SEC = 0.1


class EmulatorError(Exception):
    """The emulator cannot be started; the message says what is missing and how to install it."""


def find_command(environment: Mapping[str, str]) -> list[str]:
    """Returns the emulator's command without its arguments. Raises EmulatorError when Java or the emulator is missing.

    The emulator is looked for in FIRESTORE_EMULATOR_JAR, else in the SDK of the `gcloud` on the PATH,
    /usr/lib/google-cloud-sdk and ~/google-cloud-sdk.
    """
    java = shutil.which("java", path=environment.get("PATH"))
    if java is None:
        raise EmulatorError("the Firestore emulator needs Java: there is no `java` on the PATH")
    candidates = _jar_candidates(environment)
    jar = next((path for path in candidates if path.is_file()), None)
    if jar is None:
        looked = ", ".join(str(path) for path in candidates)
        raise EmulatorError(
            f"the Firestore emulator is not installed (looked for {looked}): run `gcloud components install "
            "cloud-firestore-emulator` or set FIRESTORE_EMULATOR_JAR"
        )
    # the SDK's own script sets the language, too: the emulator has English messages only
    return [java, "-Duser.language=en", "-cp", str(jar), MAIN_CLASS]


def arguments(command: Sequence[str], port: int) -> list[str]:
    """Returns the whole command line for an emulator on 127.0.0.1:port."""
    return [*command, "--host=127.0.0.1", f"--port={port}"]


def start(command: Sequence[str], port: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts the emulator on 127.0.0.1:port (in a process group of its own) without waiting for it."""
    return spawn(arguments(command, port), environment, process_group=NEW_GROUP)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, wait_sec: float = START_SEC) -> None:
    """Returns once is_warm(port). Raises EmulatorError when the emulator ends, or after wait_sec seconds."""
    deadline = time.monotonic() + wait_sec
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmulatorError(f"the Firestore emulator ended with exit code {process.returncode}; see its log")
        if is_warm(port):
            return
        time.sleep(POLL_SEC)
    raise EmulatorError(f"the Firestore emulator did not answer on port {port} within {wait_sec} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills the emulator. It keeps nothing on disk, so it needs no graceful end."""
    kill_group(process.pid)
    process.wait()


def _jar_candidates(environment: Mapping[str, str]) -> list[Path]:
    if override := environment.get("FIRESTORE_EMULATOR_JAR"):
        return [Path(override)]
    roots = [Path("/usr/lib/google-cloud-sdk"), Path(environment.get("HOME", os.sep), "google-cloud-sdk")]
    if gcloud := shutil.which("gcloud", path=environment.get("PATH")):
        roots.insert(0, Path(gcloud).resolve().parents[1])  # <root>/bin/gcloud
    return [root / JAR_IN_SDK for root in dict.fromkeys(roots)]


def is_warm(port: int) -> bool:
    """Returns whether the emulator has completed a transaction and a query.

    The first of each loads Java classes, which takes seconds on a busy machine: longer than the store's time-out.
    """
    if not answers(port):
        return False
    # imported here because it takes a second, which a rehearsal on SQLite does not need
    import grpc
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.firestore_v1.services.firestore import FirestoreClient
    from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))
        try:
            started = client.begin_transaction(request={"database": DATABASE}, timeout=FIRST_CALLS_SEC)
            write = {"update": {"name": f"{DATABASE}/documents/warm/up"}}
            request = {"database": DATABASE, "transaction": started.transaction, "writes": [write]}
            client.commit(request=request, timeout=FIRST_CALLS_SEC)
            query = {"from": [{"collection_id": "warm"}]}
            parent = f"{DATABASE}/documents"
            list(client.run_query(request={"parent": parent, "structured_query": query}, timeout=FIRST_CALLS_SEC))
        except GoogleAPICallError:
            return False
    return True


def answers(port: int) -> bool:
    """Returns whether the emulator answers HTTP with 200. Its port is open earlier than that."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
