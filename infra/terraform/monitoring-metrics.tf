# Metrics from the functions' JSON log lines; tests compare each event and field with the code.

locals {
  # field: a number in the line, kept as a distribution; null: lines are counted. Labels must have few values.
  log_metrics = {
    ticks              = { event = "tick_finished", field = null, labels = [] }
    jobs_finished      = { event = "job_finished", field = null, labels = ["status", "code"] }
    job_wait           = { event = "job_finished", field = "wait_seconds", labels = [] }
    spend_added        = { event = "tick_finished", field = "spend_added_usd", labels = [] }
    jobs_queued        = { event = "tick_finished", field = "jobs_queued", labels = [] }
    oldest_wait        = { event = "tick_finished", field = "oldest_wait_seconds", labels = [] }
    replicas_wanted    = { event = "tick_finished", field = "replicas_wanted", labels = [] }
    replicas_running   = { event = "tick_finished", field = "replicas_running", labels = [] }
    spend_today        = { event = "tick_finished", field = "spend_today_usd", labels = [] }
    callbacks_due      = { event = "tick_finished", field = "callbacks_due", labels = [] }
    jobs_running       = { event = "tick_finished", field = "jobs_running", labels = [] }
    signatures_refused = { event = "signature_refused", field = null, labels = [] }
  }

  our_lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in values(local.names) : "\"${name}\""])})"
}

resource "google_logging_metric" "events" {
  for_each = local.log_metrics

  name            = "${var.prefix}/${each.key}"
  description     = "Lines with event=${each.value.event}${each.value.field == null ? "" : ", field ${each.value.field}"}"
  filter          = "${local.our_lines} AND jsonPayload.event=\"${each.value.event}\"${each.value.field == null ? "" : " AND jsonPayload.${each.value.field}>=0"}"
  value_extractor = each.value.field == null ? null : "EXTRACT(jsonPayload.${each.value.field})"
  label_extractors = {
    for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})"
  }

  # A distribution needs buckets; these reach from 0.01 to about 10 million. Means do not depend on them.
  dynamic "bucket_options" {
    for_each = each.value.field == null ? [] : [""]

    content {
      exponential_buckets {
        scale              = 0.01
        growth_factor      = 1.4
        num_finite_buckets = 62
      }
    }
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.field == null ? "INT64" : "DISTRIBUTION"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.services]
}
