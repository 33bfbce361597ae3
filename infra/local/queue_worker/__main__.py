"""Starts the stand-in queue worker and ends it on a signal."""

import signal
import sys

from infra.local.queue_worker import settings
from infra.local.queue_worker.logs import logger
from infra.local.queue_worker.loop import QueueWorker
from infra.local.queue_worker.metadata import InstanceNotFoundError, Metadata
from infra.local.queue_worker.service import JobQueue


def main() -> None:
    """Runs until SIGTERM or SIGINT, or until the instance no longer exists. The exit code is 0 in both cases."""
    try:
        chosen = settings.from_environment()
    except settings.SettingsError as error:
        logger("error")("error", "queue_worker_settings_refused", detail=str(error))
        sys.exit(1)
    log = logger(chosen.log_level)
    queue = JobQueue(chosen.service_endpoint, use_tls=chosen.service_use_tls)
    worker = QueueWorker(Metadata(chosen.metadata_uri), queue, chosen.poll_sec, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    log("info", "queue_worker_started")
    try:
        worker.run()
    except InstanceNotFoundError:
        log("error", "queue_worker_instance_gone")


if __name__ == "__main__":
    main()
