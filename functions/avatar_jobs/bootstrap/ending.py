"""Builds the services that every function needs that can end a job."""

from dataclasses import dataclass

from avatar_jobs.adapters.callback_sender import GuardedCallbackSender
from avatar_jobs.adapters.guarded_http import guarded_pool
from avatar_jobs.bootstrap import common
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import CallbackSender
from avatar_jobs.ports.storage import OutputStore
from avatar_jobs.services.breaker import Breaker
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.callbacks.deliverer import CallbackDeliverer
from avatar_jobs.services.guarded import GuardedOutputs, GuardedSender
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.queries.job_view import JobRenderer
from avatar_jobs.settings import EndingSettings

OUTPUTS_SEC = 8.0  # for one look at the bucket: two requests of 4 s


@dataclass(frozen=True)
class JobEnding:
    """The services that verify a claimed video, end its job and call the app's webhook."""

    outputs: OutputStore
    renderer: JobRenderer
    verifier: Verifier
    callback_batch: CallbackBatch
    finisher: Finisher


def job_ending(settings: EndingSettings, store: JobStore, log: JsonLog, breaker: Breaker | None = None) -> JobEnding:
    """Builds the services.

    breaker: that of the tick, which collects the callbacks and sends them together; None sends each one at once.
    """
    bucket, rehearsal = settings.bucket, settings.rehearsal
    outputs: OutputStore = common.outputs(bucket)
    sender: CallbackSender = GuardedCallbackSender(
        pool=guarded_pool(rehearsal=rehearsal), rehearsal=rehearsal, now=common.utc_now, log=log
    )
    if breaker:
        outputs, sender = GuardedOutputs(outputs, breaker, OUTPUTS_SEC), GuardedSender(sender, breaker)
    renderer = JobRenderer(outputs, bucket.prefix)
    verifier = Verifier(store=store, outputs=outputs, clock=common.utc_now, log=log, prefix=bucket.prefix)
    deliverer = CallbackDeliverer(
        store=store,
        sender=sender,
        renderer=renderer,
        clock=common.utc_now,
        log=log,
        jitter=common.JITTER,
        secrets=settings.clients.callback_secrets,
    )
    batch = CallbackBatch(deliverer=deliverer, clock=common.utc_now, log=log)
    finisher = Finisher(
        store=store,
        verifier=verifier,
        callbacks=batch if breaker else deliverer,
        clock=common.utc_now,
        log=log,
        bucket=bucket.bucket,
        prefix=bucket.prefix,
    )
    return JobEnding(outputs, renderer, verifier, batch, finisher)
