# The alerts: each says what it means and which section of the runbook to open.

locals {
  metric_types = { for key in keys(local.log_metrics) : key => "logging.googleapis.com/user/${google_logging_metric.events[key].name}" }
  runbook      = coalesce(var.runbook_url, "docs/runbook.md")
  channels     = concat(var.notification_channels, [for one in google_monitoring_notification_channel.emails : one.id])

  # A distribution is compared by its mean over some minutes, which buckets do not distort; counted lines by their sum.
  threshold_alerts = {
    oldest_job_too_old = {
      metric   = "oldest_wait", above = var.alert_limits.oldest_job_minutes * 60, for = "600s"
      severity = "ERROR", anchor = "jobs-stay-queued", says = "For ten minutes, the oldest queued job has waited longer than planned."
    }
    callback_backlog = {
      metric   = "callbacks_due", above = var.alert_limits.callbacks_due, for = "900s"
      severity = "WARNING", anchor = "callbacks-fail", says = "More callbacks are due in each tick than planned."
    }
    signatures_refused = {
      metric   = "signatures_refused", above = var.alert_limits.refused_signatures, for = "0s"
      severity = "WARNING", anchor = "webhook-signatures-fail", says = "Webhooks or reports arrive with signatures that do not verify."
    }
    spend_above_plan = {
      metric   = "spend_today", above = var.alert_limits.daily_spend_usd, for = "0s"
      severity = "ERROR", anchor = "the-day-costs-more-than-planned", says = "GPUs have cost more today (UTC) than planned."
    }
  }
}

resource "google_monitoring_notification_channel" "emails" {
  for_each = toset(var.alert_emails)

  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }

  depends_on = [google_project_service.services]
}

resource "google_monitoring_alert_policy" "thresholds" {
  # Prices are only read with a daily budget; without one, an alert on spend would never fire.
  for_each = { for key, one in local.threshold_alerts : key => one if key != "spend_above_plan" || var.scaling.daily_budget_usd != null }

  display_name          = "${var.prefix}: ${replace(each.key, "_", " ")}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.says

    condition_threshold {
      filter          = "metric.type=\"${local.metric_types[each.value.metric]}\" AND resource.type=\"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = each.value.for

      aggregations {
        alignment_period     = each.value.metric == "signatures_refused" ? "600s" : "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = each.value.metric == "signatures_refused" ? "REDUCE_SUM" : "REDUCE_MEAN"
      }
    }
  }

  documentation {
    subject = "${var.prefix}: ${each.value.says}"
    content = "${each.value.says}\n\nLook first: `./ops jobs health`. Then: ${local.runbook}#${each.value.anchor}"
  }

  alert_strategy {
    auto_close = "3600s"
  }
}

# A metric without any point yet cannot be absent, so this alert works from the first tick on. Before it, check
# `terraform output functions_deployed` and the scheduler's page. After a gap, the tick itself logs ticks_missing.
resource "google_monitoring_alert_policy" "no_tick" {
  display_name          = "${var.prefix}: no tick"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "No tick has ended for 5 minutes."

    condition_absent {
      filter   = "metric.type=\"${local.metric_types.ticks}\" AND resource.type=\"cloud_run_revision\""
      duration = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    subject = "${var.prefix}: no tick for 5 minutes"
    content = "Without ticks, overdue jobs and callbacks wait, and the fleet keeps its size.\n\nLook first: `./ops jobs health`. Then: ${local.runbook}#no-tick-runs"
  }

  alert_strategy {
    auto_close = "604800s" # the maximum: the alert must not close while ticks are still missing
  }
}

resource "google_monitoring_alert_policy" "failure_ratio" {
  display_name          = "${var.prefix}: jobs fail"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "Too many of the hour's finished jobs have failed."

    condition_threshold {
      filter             = "metric.type=\"${local.metric_types.jobs_finished}\" AND resource.type=\"cloud_run_revision\" AND metric.labels.status=\"failed\""
      denominator_filter = "metric.type=\"${local.metric_types.jobs_finished}\" AND resource.type=\"cloud_run_revision\""
      comparison         = "COMPARISON_GT"
      threshold_value    = var.alert_limits.failure_ratio
      duration           = "300s"

      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }

      denominator_aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    subject = "${var.prefix}: jobs fail"
    content = "The chart \"Errors by code\" on the dashboard shows the cause.\n\nLook first: `./ops jobs list --status failed`. Then: ${local.runbook}#many-jobs-fail"
  }

  alert_strategy {
    auto_close = "3600s"
  }
}
