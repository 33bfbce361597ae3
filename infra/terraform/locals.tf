# The one map that functions, service accounts, secrets, invokers, monitoring and the base URL are made from.

locals {
  names = {
    submit_job    = "${var.prefix}-submit-job"
    job_status    = "${var.prefix}-job-status"
    salad_webhook = "${var.prefix}-salad-webhook"
    scale_tick    = "${var.prefix}-scale-tick"
  }

  # Cloud Run's stable URL is known before the service is, so that functions can name each other.
  origins = { for key, name in local.names : key => "https://${name}-${var.project_number}.${var.region}.run.app" }

  # Spelt out, because the grants' keys must be known before the account is made.
  scheduler_account = "${var.prefix}-scheduler"
  scheduler_member  = "serviceAccount:${local.scheduler_account}@${var.project_id}.iam.gserviceaccount.com"

  # A tick that outlived its lease (0.9 of its minute) would work beside the next one; the scheduler waits a little
  # longer than that, and gives up before the next minute.
  tick_period_sec           = 60
  tick_timeout_sec          = 54
  tick_attempt_deadline_sec = 57

  request_timeout_sec = 30  # apps are answered within 8 s; the rest is for a cold start and a store that is slow
  cpu                 = "1" # less than one forbids several requests at a time
  memory              = "512Mi"
  front_ingress       = var.domain == null ? "ALLOW_ALL" : "ALLOW_INTERNAL_AND_GCLB"

  functions = {
    submit_job = {
      name             = local.names.submit_job
      description      = "Takes jobs and lists them."
      timeout_sec      = local.request_timeout_sec
      concurrency      = 8 # mostly waiting for Firestore, B2 and Salad; Google's own starting point
      min_instances    = var.submit_min_instances
      max_instances    = var.submit_max_instances
      ingress          = local.front_ingress
      is_behind_domain = true
      invokers         = var.api_invokers
      project_roles    = ["roles/cloudscheduler.jobRunner"] # wakes the tick; one job alone cannot be granted
      settings         = merge(local.common_settings, local.dispatch_settings, local.submit_settings)
      secrets          = merge(local.common_secrets, local.dispatch_secrets)
    }
    job_status = {
      name             = local.names.job_status
      description      = "Shows and cancels jobs, and tells how the system is."
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
      description      = "Takes Salad's webhooks and the workers' reports, and proves each sender."
      timeout_sec      = local.request_timeout_sec
      concurrency      = 8
      min_instances    = 0
      max_instances    = 20 # 500 workers that report every 5 s, at 1 s a report under load
      ingress          = local.front_ingress
      is_behind_domain = true
      invokers         = local.webhook_invokers
      project_roles    = []
      settings         = local.common_settings
      secrets          = merge(local.common_secrets, local.webhook_secrets)
    }
    scale_tick = {
      name             = local.names.scale_tick
      description      = "Once a minute: repairs what got lost, and sizes the fleet."
      timeout_sec      = local.tick_timeout_sec
      concurrency      = 1
      min_instances    = 0
      max_instances    = 2 # a woken tick beside the minute's: the second finds the lease taken
      ingress          = "ALLOW_INTERNAL_ONLY"
      is_behind_domain = false
      invokers         = [local.scheduler_member]
      project_roles    = []
      settings         = merge(local.common_settings, local.dispatch_settings, local.tick_settings)
      secrets          = merge(local.common_secrets, local.dispatch_secrets, local.tick_secrets)
    }
  }

  # Before the first versions of the secrets exist no function could start, so none is made.
  deployed = { for key, one in local.functions : key => one if var.secret_versions != null }
}
