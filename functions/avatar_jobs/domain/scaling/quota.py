"""The organisation's quota at Salad, a bound on all groups together that nobody of ours sets. Pure."""

from dataclasses import replace

from avatar_jobs.domain.scaling.model import ScalingConfig


def within_quota(config: ScalingConfig, quota: int | None) -> ScalingConfig:
    """The settings with the quota as a bound on all replicas, where it is known and the smaller one."""
    return config if quota is None or quota >= config.max_total else replace(config, max_total=quota)
