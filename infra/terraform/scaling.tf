# The tick's settings for scaling: the groups come from the fleet file, the numbers from var.scaling.

locals {
  fleet = yamldecode(file("${path.module}/${var.fleet_file}"))

  fixed_groups  = [for group in local.fleet.groups : group if group.scaling.mode == "fixed"]
  scaled_groups = [for group in local.fleet.groups : group if group.scaling.mode == "tick"]
  always_on     = sum(concat([0], [for group in local.fixed_groups : group.scaling.replicas]))
  least_scaled  = sum(concat([0], [for group in local.scaled_groups : group.scaling.min]))

  # Merged from parts, since Terraform wants one type on both sides of a condition. The groups stay in the file's order,
  # which is the order of preference.
  group_settings = [for group in local.fleet.groups : merge(
    { name = group.name, warm_seconds = group.scaling.warm_seconds },
    { for key, value in { fixed = true } : key => value if group.scaling.mode == "fixed" },
    { for key in ["min", "max"] : key => group.scaling[key] if group.scaling.mode == "tick" },
  )]

  fleet_settings = {
    SCALE_GROUPS                = jsonencode(local.group_settings)
    CURRENT_MAX_REPLICAS        = tostring(var.scaling.max_replicas)
    ALWAYS_ON_MIN_REPLICAS_3060 = tostring(local.always_on)
  }

  # A null setting is left out, so that the code's default applies.
  scaling_settings = { for key, value in {
    SCALE_RULE                   = var.scaling.rule
    SCALE_PRESET                 = var.scaling.preset
    SCALE_DRAIN_S                = var.scaling.drain_seconds
    SCALE_HOLD_S                 = var.scaling.hold_seconds
    SCALE_FLOOR                  = var.scaling.floor
    SCALE_SLACK                  = var.scaling.slack
    SCALE_STUCK_S                = var.scaling.stuck_seconds
    SCALE_QUEUE_INCLUDES_RUNNING = var.scaling.queue_includes_running
    SCALE_MANUAL_HOLD_S          = var.scaling.manual_hold_seconds
    SCALE_OBSERVE_ONLY           = var.scaling.observe_only
    DAILY_BUDGET_USD             = var.scaling.daily_budget_usd
    WINDOWED_UP_JOBS             = var.scaling.windowed.up_jobs
    WINDOWED_DOWN_JOBS           = var.scaling.windowed.down_jobs
    WINDOWED_UP_WINDOW_S         = var.scaling.windowed.up_window_seconds
    WINDOWED_DOWN_WINDOW_S       = var.scaling.windowed.down_window_seconds
    WINDOWED_STEP                = var.scaling.windowed.step
    WINDOWED_UP_COOLDOWN_S       = var.scaling.windowed.up_cooldown_seconds
    WINDOWED_DOWN_COOLDOWN_S     = var.scaling.windowed.down_cooldown_seconds
  } : key => tostring(value) if value != null }
}
