"""The organisation's quota at Salad, a bound on all groups together that nobody of ours sets. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avatar_jobs.domain.scaling.model import ScalingConfig
from avatar_jobs.domain.scaling.observe import valid_count


def replicas_quota(quotas: Mapping[str, Any]) -> int | None:
    """How many replicas Salad grants the organisation, None when its answer does not say."""
    groups = quotas.get("container_groups_quotas")
    return valid_count(groups.get("container_replicas_quota")) if isinstance(groups, dict) else None


def within_quota(config: ScalingConfig, quota: int | None) -> ScalingConfig:
    """The settings with the quota as a bound on all replicas, where it is known and the smaller one."""
    return config if quota is None or quota >= config.max_total else replace(config, max_total=quota)
