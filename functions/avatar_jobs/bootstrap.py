"""The only place that picks concrete adapters: one builder for each function; network clients open on first use."""

import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from avatar_jobs.adapters.b2_outputs import B2Outputs
from avatar_jobs.adapters.callback_sender import GuardedCallbackSender
from avatar_jobs.adapters.guarded_http import guarded_pool
from avatar_jobs.adapters.salad_client import SaladClient
from avatar_jobs.domain.budget import SUBMIT_CALLS_A_MINUTE, CallBucket
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports import JobStore
from avatar_jobs.routes import status_routes, submit_routes, tick_routes, webhook_routes
from avatar_jobs.services.admission import Admission
from avatar_jobs.services.callback_rounds import CallbackRounds
from avatar_jobs.services.calling_back import CallbackDeliverer
from avatar_jobs.services.cancelling import Canceller
from avatar_jobs.services.dispatching import Dispatcher, LockedBucket
from avatar_jobs.services.finishing import Finisher
from avatar_jobs.services.housekeeping import Housekeeper
from avatar_jobs.services.listing import Lister
from avatar_jobs.services.reconciling import Reconciler
from avatar_jobs.services.rendering import JobRenderer
from avatar_jobs.services.reporting import ReportReceiver
from avatar_jobs.services.submitting import Submitter
from avatar_jobs.services.ticking import Ticker
from avatar_jobs.services.verifying import Verifier
from avatar_jobs.settings import Environment, OutputSettings, SaladSettings, StoreSettings
from avatar_jobs.web import ApiKeys, Endpoint

SUBMIT_SALAD_SEC = 4.0  # the app waits: one try, and its 202 within 8 s
TICK_SALAD_SEC = 10.0


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def draw_id() -> str:
    """128 random bits as 32 hex digits: unguessable, safe in paths and file names."""
    return secrets.token_hex(16)


JITTER: Callable[[], float] = random.SystemRandom().random


def job_store(settings: StoreSettings, log: JsonLog) -> JobStore:
    """The job store that the settings ask for."""

    def on_conflict() -> None:
        log("store_conflict")

    def on_unreadable(job_id: str) -> None:
        log("due_job_unreadable", level="error", job_id=job_id)

    if settings.sqlite_path:
        from avatar_jobs.adapters.sqlite_store import SqliteJobStore

        return SqliteJobStore(
            settings.sqlite_path, pause=time.sleep, jitter=JITTER, on_conflict=on_conflict, on_unreadable=on_unreadable
        )
    # Google's client costs most of a second to import: a function on SQLite does not pay for it.
    from google.cloud import firestore

    from avatar_jobs.adapters.firestore_store import FirestoreJobStore

    return FirestoreJobStore(
        lambda: firestore.Client(project=settings.firestore_project, database=settings.firestore_database),
        pause=time.sleep,
        jitter=JITTER,
        draw_id=draw_id,
        on_conflict=on_conflict,
        on_unreadable=on_unreadable,
    )


def salad_client(settings: SaladSettings, timeout_sec: float) -> SaladClient:
    """Salad, with the time that the caller has."""
    return SaladClient(
        base_url=settings.url,
        api_key=settings.api_key,
        organization=settings.organization,
        project=settings.project,
        queue=settings.queue,
        now=utc_now,
        timeout_sec=timeout_sec,
    )


def outputs(settings: OutputSettings) -> B2Outputs:
    """The bucket."""
    return B2Outputs(
        endpoint=settings.endpoint,
        region=settings.region,
        key_id=settings.key_id,
        app_key=settings.app_key,
        bucket=settings.bucket,
        download_url=settings.download_url,
        public=settings.public,
    )


class _Finishing:
    """What every function shares that can end a job: verify a claim, end it, call the app back."""

    def __init__(self, environment: Environment, store: JobStore, log: JsonLog, *, in_tick: bool = False) -> None:
        self.bucket, self.clients, rehearsal = environment.outputs(), environment.clients(), environment.rehearsal()
        environment.check()
        self.outputs = outputs(self.bucket)
        self.renderer = JobRenderer(self.outputs, self.bucket.prefix)
        self.verifier = Verifier(store=store, outputs=self.outputs, clock=utc_now, log=log, prefix=self.bucket.prefix)
        self.callbacks = CallbackDeliverer(
            store=store,
            sender=GuardedCallbackSender(
                pool=guarded_pool(rehearsal=rehearsal), rehearsal=rehearsal, now=utc_now, log=log
            ),
            renderer=self.renderer,
            clock=utc_now,
            log=log,
            jitter=JITTER,
            secrets=self.clients.callback_secrets,
        )
        self.rounds = CallbackRounds(deliverer=self.callbacks, clock=utc_now, log=log)
        self.finisher = Finisher(
            store=store,
            verifier=self.verifier,
            callbacks=self.rounds if in_tick else self.callbacks,
            clock=utc_now,
            log=log,
            bucket=self.bucket.bucket,
            prefix=self.bucket.prefix,
        )


def submit_job(environment: Environment) -> Endpoint:
    """Builds submit_job. Raises SettingsError naming every fault of its settings."""
    log = JsonLog("submit_job")
    place, salad, bucket, clients = (
        environment.store(),
        environment.salad(),
        environment.outputs(),
        environment.clients(),
    )
    base_url, token_secrets, rehearsal = environment.base_url(), environment.token_secrets(), environment.rehearsal()
    instances = environment.submit_instances()
    environment.check()
    store = job_store(place, log)
    share = LockedBucket(CallBucket(SUBMIT_CALLS_A_MINUTE / instances), utc_now)
    submitter = Submitter(
        store=store,
        dispatcher=Dispatcher(
            store=store,
            salad=salad_client(salad, SUBMIT_SALAD_SEC),
            clock=utc_now,
            log=log,
            jitter=JITTER,
            base_url=base_url,
            token_secrets=token_secrets,
            has_call=share.take,
        ),
        admission=Admission(store=store, clock=utc_now),
        clock=utc_now,
        log=log,
        draw_id=draw_id,
        retention=bucket.lifetime,
    )
    lister = Lister(store=store, token_secrets=token_secrets)
    renderer = JobRenderer(outputs(bucket), bucket.prefix)
    routes = submit_routes(submitter, lister, renderer, utc_now, rehearsal=rehearsal)
    return Endpoint(routes=routes, api_keys=ApiKeys(clients.api_keys), log=log, draw_id=draw_id)


def job_status(environment: Environment) -> Endpoint:
    """Builds job_status. Raises SettingsError naming every fault of its settings."""
    log = JsonLog("job_status")
    store = job_store(environment.store(), log)
    finishing = _Finishing(environment, store, log)
    canceller = Canceller(store=store, announcer=finishing.finisher, clock=utc_now, log=log)
    routes = status_routes(store, canceller, finishing.renderer, utc_now)
    return Endpoint(routes=routes, api_keys=ApiKeys(finishing.clients.api_keys), log=log, draw_id=draw_id)


def salad_webhook(environment: Environment) -> Endpoint:
    """Builds salad_webhook, which holds no Salad key. Raises SettingsError naming every fault of its settings."""
    log = JsonLog("salad_webhook")
    place = environment.store()
    webhook_secrets, token_secrets = environment.webhook_secrets(), environment.token_secrets()
    store = job_store(place, log)
    finishing = _Finishing(environment, store, log)
    routes = webhook_routes(
        finishing.finisher,
        ReportReceiver(store=store, clock=utc_now, log=log),
        utc_now,
        log,
        webhook_secrets=webhook_secrets,
        token_secrets=token_secrets,
    )
    return Endpoint(routes=routes, api_keys=ApiKeys({}), log=log, draw_id=draw_id)


def scale_tick(environment: Environment) -> Endpoint:
    """Builds scale_tick. Raises SettingsError naming every fault of its settings."""
    log = JsonLog("scale_tick")
    place, salad_settings = environment.store(), environment.salad()
    base_url, token_secrets, period = environment.base_url(), environment.token_secrets(), environment.tick_period()
    store = job_store(place, log)
    finishing = _Finishing(environment, store, log, in_tick=True)
    salad = salad_client(salad_settings, TICK_SALAD_SEC)
    reconciler = Reconciler(store=store, salad=salad, finisher=finishing.finisher, clock=utc_now, log=log)
    housekeeper = Housekeeper(
        store=store,
        outputs=finishing.outputs,
        dispatcher=Dispatcher(
            store=store,
            salad=salad,
            clock=utc_now,
            log=log,
            jitter=JITTER,
            base_url=base_url,
            token_secrets=token_secrets,
        ),
        verifier=finishing.verifier,
        finisher=finishing.finisher,
        reconciler=reconciler,
        callbacks=finishing.rounds,
        clock=utc_now,
        prefix=finishing.bucket.prefix,
        period=period,
    )
    ticker = Ticker(
        store=store,
        salad=salad,
        housekeeper=housekeeper,
        reconciler=reconciler,
        callbacks=finishing.rounds,
        clock=utc_now,
        log=log,
        draw_id=draw_id,
        period=period,
    )
    return Endpoint(routes=tick_routes(ticker), api_keys=ApiKeys({}), log=log, draw_id=draw_id)
