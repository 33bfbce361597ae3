"""Builds the parts that submit_job and scale_tick share: both send jobs to Salad."""

import time
from collections.abc import Callable

from avatar_jobs.adapters.b2_upload_keys import B2UploadKeys
from avatar_jobs.adapters.salad_client import SaladClient
from avatar_jobs.bootstrap import common
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.storage import UploadKeys
from avatar_jobs.services.breaker import Breaker
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.guarded import GuardedUploadKeys
from avatar_jobs.settings import DispatchSettings, MintSettings, OutputSettings, SaladSettings


def salad_client(settings: SaladSettings, timeout_sec: float) -> SaladClient:
    """Returns a client of Salad. timeout_sec: time limit of one call."""
    return SaladClient(
        base_url=settings.url,
        api_key=settings.api_key,
        organization=settings.organization,
        project=settings.project,
        queue=settings.queue,
        now=common.utc_now,
        timeout_sec=timeout_sec,
    )


def upload_keys(
    settings: MintSettings | None, bucket: OutputSettings, breaker: Breaker, *, mint_sec: float, revoke_sec: float
) -> UploadKeys | None:
    """Returns the maker of storage keys, or None where workers have a key of their own.

    settings: None for that case; mint_sec, revoke_sec: time limit in seconds to make and to delete one key.
    """
    if settings is None:
        return None
    keys = B2UploadKeys(
        api_url=settings.api_url,
        key_id=settings.key_id,
        app_key=settings.app_key,
        bucket=bucket.bucket,
        prefix=bucket.prefix,
        mint_sec=mint_sec,
        revoke_sec=revoke_sec,
        clock=time.monotonic,
    )
    return GuardedUploadKeys(keys, breaker, max(mint_sec, revoke_sec))


def dispatcher(
    settings: DispatchSettings,
    store: JobStore,
    salad: SaladApi,
    keys: UploadKeys | None,
    log: JsonLog,
    has_call: Callable[[], bool],
) -> Dispatcher:
    """Returns the sender of attempts. has_call: takes one of this process's calls to Salad; False when none is left."""
    return Dispatcher(
        store=store,
        salad=salad,
        clock=common.utc_now,
        log=log,
        jitter=common.JITTER,
        base_url=settings.base_url,
        token_secret=settings.token_secrets[0],
        upload_keys=keys,
        has_call=has_call,
    )
