# The dashboard: what waits, what runs, what fails, what it costs.

locals {
  # title, metric, how the points of a minute are combined, and the labels that split it
  charts = [
    { title = "Jobs by outcome (10 min)", metric = "jobs_finished", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["status"] },
    { title = "Errors by code (10 min)", metric = "jobs_finished", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["code"] },
    { title = "Age of the oldest queued job, s", metric = "oldest_wait", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Wait from request to start, median, s", metric = "job_wait", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_50", by = [] },
    { title = "Wait from request to start, p95, s", metric = "job_wait", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", by = [] },
    { title = "Jobs queued", metric = "jobs_queued", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Jobs running", metric = "jobs_running", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Replicas wanted", metric = "replicas_wanted", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Replicas running", metric = "replicas_running", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Dollars of GPUs in a tick", metric = "spend_added", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Dollars of GPUs today (UTC)", metric = "spend_today", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
    { title = "Ticks in 10 min (normal: 10)", metric = "ticks", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = [] },
    { title = "Callbacks due in a tick", metric = "callbacks_due", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = [] },
  ]

  # Cloud Run's own metrics: what callers of the functions see.
  service_charts = [
    { title = "Requests by status and function", type = "run.googleapis.com/request_count", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["resource.label.service_name", "metric.label.response_code_class"] },
    { title = "Latency p95 by function, ms", type = "run.googleapis.com/request_latencies", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", by = ["resource.label.service_name"] },
  ]

  widgets = concat(
    [for one in local.charts : {
      title   = one.title
      filter  = "metric.type=\"${local.metric_types[one.metric]}\" AND resource.type=\"cloud_run_revision\"${contains(one.by, "code") ? " AND metric.label.status=\"failed\"" : ""}"
      aligner = one.aligner
      reducer = one.reducer
      by      = [for label in one.by : "metric.label.${label}"]
    }],
    [for one in local.service_charts : {
      title   = one.title
      filter  = "metric.type=\"${one.type}\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=one_of(${join(",", [for name in values(local.names) : "\"${name}\""])})"
      aligner = one.aligner
      reducer = one.reducer
      by      = one.by
    }],
  )
}

locals {
  # The names of log metrics in PromQL: every character that is not a letter or a digit becomes an underscore.
  promql_prefix = "logging_googleapis_com:user_${replace(var.prefix, "-", "_")}_"
  usd_a_video   = "sum(increase(${local.promql_prefix}spend_added_sum{monitored_resource=\"cloud_run_revision\"}[1d])) / sum(increase(${local.promql_prefix}jobs_finished{monitored_resource=\"cloud_run_revision\",status=\"succeeded\"}[1d]))"
}

resource "google_monitoring_dashboard" "overview" {
  dashboard_json = templatefile("${path.module}/dashboards/overview.json.tftpl", { prefix = var.prefix, widgets = local.widgets, usd_a_video = local.usd_a_video })

  depends_on = [google_project_service.services]
}
