# The map from which functions, service accounts, secrets, invokers, monitoring and the base URL are made.

locals {
  names = {
    submit_job    = "${var.prefix}-submit-job"
    job_status    = "${var.prefix}-job-status"
    salad_webhook = "${var.prefix}-salad-webhook"
    scale_tick    = "${var.prefix}-scale-tick"
  }

  # Cloud Run's stable URL is known before the service exists, so the functions can refer to each other.
  origins = { for key, name in local.names : key => "https://${name}-${var.project_number}.${var.region}.run.app" }

  # Written as text, because the keys of the grants must be known before the account exists.
  scheduler_account = "${var.prefix}-scheduler"
  scheduler_member  = "serviceAccount:${local.scheduler_account}@${var.project_id}.iam.gserviceaccount.com"

  # A tick must end before its lease does (0.9 of its minute), or it would run at the same time as the next one. The
  # scheduler waits a little longer than that, and gives up before the next minute.
  tick_period_sec           = 60
  tick_timeout_sec          = 54
  tick_attempt_deadline_sec = 57

  request_timeout_sec = 30  # apps get an answer within 8 s; the rest is for a cold start and a slow store
  cpu                 = "1" # with less than one CPU, Cloud Run allows only one request at a time
  memory              = "512Mi"
  front_ingress       = var.domain == null ? "ALLOW_ALL" : "ALLOW_INTERNAL_AND_GCLB"

  functions = {
    submit_job = {
      name             = local.names.submit_job
      description      = "Accepts and lists jobs."
      timeout_sec      = local.request_timeout_sec
      concurrency      = 8 # requests mostly wait for Firestore, B2 and Salad; Google recommends to start with 8
      min_instances    = var.submit_min_instances
      max_instances    = var.submit_max_instances
      ingress          = local.front_ingress
      is_behind_domain = true
      invokers         = var.api_invokers
      project_roles    = ["roles/cloudscheduler.jobRunner"] # to run the tick at once; this right cannot be granted for a single scheduler job
      settings         = merge(local.common_settings, local.dispatch_settings, local.submit_settings)
      secrets          = merge(local.common_secrets, local.dispatch_secrets)
    }
    job_status = {
      name             = local.names.job_status
      description      = "Shows and cancels jobs, and shows the system's health."
      timeout_sec      = local.request_timeout_sec
      concurrency      = 8
      min_instances    = 0
      max_instances    = 10
      ingress          = local.front_ingress
      is_behind_domain = true
      invokers         = var.api_invokers
      project_roles    = []
      settings         = local.common_settings
      secrets          = local.common_secrets
    }
    salad_webhook = {
      name             = local.names.salad_webhook
      description      = "Receives Salad's webhooks and the workers' reports, and verifies each sender."
      timeout_sec      = local.request_timeout_sec
      concurrency      = 8
      min_instances    = 0
      max_instances    = 20 # for 500 workers that report every 5 s, if a report takes 1 s under load
      ingress          = local.front_ingress
      is_behind_domain = true
      invokers         = local.webhook_invokers
      project_roles    = []
      settings         = local.common_settings
      secrets          = merge(local.common_secrets, local.webhook_secrets)
    }
    scale_tick = {
      name             = local.names.scale_tick
      description      = "Runs every minute: continues overdue jobs and sets the fleet's size."
      timeout_sec      = local.tick_timeout_sec
      concurrency      = 1
      min_instances    = 0
      max_instances    = 2 # a tick on request may meet the one of the minute: the second finds the lease taken and ends
      ingress          = "ALLOW_INTERNAL_ONLY"
      is_behind_domain = false
      invokers         = [local.scheduler_member]
      project_roles    = []
      settings         = merge(local.common_settings, local.dispatch_settings, local.tick_settings)
      secrets          = merge(local.common_secrets, local.dispatch_secrets, local.tick_secrets)
    }
  }

  # Without versions of the secrets no function could start, so none is made before they exist.
  deployed = { for key, one in local.functions : key => one if var.secret_versions != null }
}
