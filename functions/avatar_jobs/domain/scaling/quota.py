"""The organisation's quota at Salad: a bound on the replicas of all groups together. Pure."""

from dataclasses import replace

from avatar_jobs.domain.scaling.model import ScalingConfig


def within_quota(config: ScalingConfig, quota: int | None) -> ScalingConfig:
    """Returns the settings with max_total lowered to the quota, when the quota is known and smaller."""
    return config if quota is None or quota >= config.max_total else replace(config, max_total=quota)
