"""Reads the launcher's settings from an environment. Only this module knows their names and defaults."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

Store = Literal["sqlite", "firestore"]
UPLOAD_KEYS = ("per_job", "node")
STORES: tuple[Store, ...] = ("sqlite", "firestore")
CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # what the functions take as a client
MAX_REPLICAS = 64  # each is a process of its own on this machine
MAX_INSTANCES = 8  # of a function: each takes about 100 MB
MAX_TICK_SEC = 3600  # the functions take whole seconds up to an hour


class SettingsError(Exception):
    """Some settings are wrong; the message names each on a line of its own."""


@dataclass(frozen=True)
class Settings:
    """The settings of one rehearsal.

    port: the API's, 0 for a free one; tick_sec: seconds between two ticks; clients: at least two names;
    queue_worker: path of a queue worker program, empty for the stand-in; worker_command: the command that runs in the
    containers, empty for the GPU worker; upload_keys: per_job (each job has a storage key for its own outputs) or node
    (each worker has the bucket's key); scaled_max: replicas that the tick may add to the fixed ones, 0 for none;
    instances: of each function that the gateway serves.
    """

    port: int
    store: Store
    replicas: int
    tick_sec: int
    clients: tuple[str, ...]
    queue_worker: str
    worker_command: str
    upload_keys: str
    scaled_max: int
    instances: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Returns the settings. An empty value counts as unset. Raises SettingsError that names all faults.

    PORT (0), STORE (sqlite), REPLICAS (2), TICK_SEC (5), CLIENTS (studio,campaigns), SALAD_QUEUE_WORKER (the stand-in),
    WORKER_COMMAND (the GPU worker; it gets the container group's environment and PORT, and serves /hc and /generate),
    UPLOAD_KEYS (per_job), SCALED_MAX (0), INSTANCES (1).
    """
    found = {name: environment.get(name) or default for name, (default, _, _) in _RULES.items()}
    faults = [
        f"{name} must be {wanted}, not {found[name]!r}"
        for name, (_, wanted, valid) in _RULES.items()
        if not valid(found[name])
    ]
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(
        port=int(found["PORT"]),
        store=cast("Store", found["STORE"]),
        replicas=int(found["REPLICAS"]),
        tick_sec=int(found["TICK_SEC"]),
        clients=_names(found["CLIENTS"]),
        queue_worker=found["SALAD_QUEUE_WORKER"],
        worker_command=found["WORKER_COMMAND"],
        upload_keys=found["UPLOAD_KEYS"],
        scaled_max=int(found["SCALED_MAX"]),
        instances=int(found["INSTANCES"]),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _is_whole(text: str, highest: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= highest


def _are_clients(text: str) -> bool:
    names = _names(text)
    return len(names) >= 2 and len(set(names)) == len(names) and all(CLIENT_NAME.fullmatch(name) for name in names)


def _is_program(path: str) -> bool:
    return path == "" or (os.path.isfile(path) and os.access(path, os.X_OK))  # noqa: PTH113  os.access has no Path form


def _is_command(text: str) -> bool:
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation that does not end
        return False
    return text == "" or (len(words) > 0 and shutil.which(words[0]) is not None)


# name -> default, what a valid value is, and the check
_RULES: dict[str, tuple[str, str, Callable[[str], bool]]] = {
    "PORT": ("0", "0-65535", lambda text: _is_whole(text, 65_535)),
    "STORE": ("sqlite", " or ".join(STORES), lambda text: text in STORES),
    "REPLICAS": ("2", f"0-{MAX_REPLICAS}", lambda text: _is_whole(text, MAX_REPLICAS)),
    "TICK_SEC": ("5", f"1-{MAX_TICK_SEC} seconds", lambda text: _is_whole(text, MAX_TICK_SEC) and int(text) > 0),
    "CLIENTS": (
        "studio,campaigns",
        "at least two different names of a-z, 0-9 and '-', separated by commas",
        _are_clients,
    ),
    "SALAD_QUEUE_WORKER": ("", "the path of a program", _is_program),
    "UPLOAD_KEYS": ("per_job", " or ".join(UPLOAD_KEYS), lambda text: text in UPLOAD_KEYS),
    "SCALED_MAX": ("0", f"0-{MAX_REPLICAS}", lambda text: _is_whole(text, MAX_REPLICAS)),
    "INSTANCES": ("1", f"1-{MAX_INSTANCES}", lambda text: _is_whole(text, MAX_INSTANCES) and int(text) > 0),
    "WORKER_COMMAND": ("", "a command whose program can be found", _is_command),
}
