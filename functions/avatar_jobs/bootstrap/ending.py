"""What the functions share that can end a job."""

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
from avatar_jobs.settings import Environment


class JobEnding:
    """What every function shares that can end a job: verify a claim, end it, call the app back."""

    def __init__(self, environment: Environment, store: JobStore, log: JsonLog, *, in_tick: bool = False) -> None:
        self.bucket, self.clients, rehearsal = environment.outputs(), environment.clients(), environment.rehearsal()
        environment.check()
        self.outputs = common.outputs(self.bucket)
        self.renderer = JobRenderer(self.outputs, self.bucket.prefix)
        self.verifier = Verifier(
            store=store, outputs=self.outputs, clock=common.utc_now, log=log, prefix=self.bucket.prefix
        )
        self.callbacks = CallbackDeliverer(
            store=store,
            sender=GuardedCallbackSender(
                pool=guarded_pool(rehearsal=rehearsal), rehearsal=rehearsal, now=common.utc_now, log=log
            ),
            renderer=self.renderer,
            clock=common.utc_now,
            log=log,
            jitter=common.JITTER,
            secrets=self.clients.callback_secrets,
        )
        self.rounds = CallbackBatch(deliverer=self.callbacks, clock=common.utc_now, log=log)
        self.finisher = Finisher(
            store=store,
            verifier=self.verifier,
            callbacks=self.rounds if in_tick else self.callbacks,
            clock=common.utc_now,
            log=log,
            bucket=self.bucket.bucket,
            prefix=self.bucket.prefix,
        )
