"""Builds the services that every function needs that can end a job."""

from dataclasses import dataclass

from avatar_jobs.adapters.b2_outputs import B2Outputs
from avatar_jobs.adapters.callback_sender import GuardedCallbackSender
from avatar_jobs.adapters.guarded_http import guarded_pool
from avatar_jobs.bootstrap import common
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.callbacks.deliverer import CallbackDeliverer
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.queries.job_view import JobRenderer
from avatar_jobs.settings import EndingSettings


@dataclass(frozen=True)
class JobEnding:
    """The services that verify a claimed video, end its job and call the app's webhook."""

    outputs: B2Outputs
    renderer: JobRenderer
    verifier: Verifier
    callback_batch: CallbackBatch
    finisher: Finisher


def job_ending(settings: EndingSettings, store: JobStore, log: JsonLog, *, in_tick: bool = False) -> JobEnding:
    """Builds the services.

    in_tick: True collects the callbacks for the end of the tick, False sends each one at once.
    """
    bucket, rehearsal = settings.bucket, settings.rehearsal
    outputs = common.outputs(bucket)
    renderer = JobRenderer(outputs, bucket.prefix)
    verifier = Verifier(store=store, outputs=outputs, clock=common.utc_now, log=log, prefix=bucket.prefix)
    deliverer = CallbackDeliverer(
        store=store,
        sender=GuardedCallbackSender(
            pool=guarded_pool(rehearsal=rehearsal), rehearsal=rehearsal, now=common.utc_now, log=log
        ),
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
        callbacks=batch if in_tick else deliverer,
        clock=common.utc_now,
        log=log,
        bucket=bucket.bucket,
        prefix=bucket.prefix,
    )
    return JobEnding(outputs, renderer, verifier, batch, finisher)
