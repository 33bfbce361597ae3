# With var.domain: one HTTPS base URL for three functions, routed by path only. scale_tick is never behind it.

locals {
  fronted = { for key, one in local.deployed : key => one if one.is_behind_domain && var.domain != null }
  domain  = { for key in [var.domain] : "domain" => key if key != null && var.secret_versions != null }

  # submit_job also lists jobs, because routing by path cannot tell GET from POST: each path belongs to one function.
  paths = {
    submit_job    = ["/v1/avatar/jobs"]
    job_status    = ["/v1/avatar/jobs/*", "/v1/avatar/health"]
    salad_webhook = ["/v1/webhooks/salad", "/v1/worker/*"]
  }
}

resource "google_compute_region_network_endpoint_group" "fronted" {
  for_each = local.fronted

  name                  = each.value.name
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value.name
  }

  depends_on = [google_cloudfunctions2_function.functions, google_cloud_run_v2_service.webhook]
}

resource "google_compute_backend_service" "fronted" {
  for_each = local.fronted

  name                  = each.value.name
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"

  backend {
    group = google_compute_region_network_endpoint_group.fronted[each.key].id
  }

  log_config {
    enable = false # the functions log each request with its id
  }
}

resource "google_compute_url_map" "front" {
  for_each = local.domain

  name            = "${var.prefix}-front"
  default_service = google_compute_backend_service.fronted["job_status"].id # answers 404 as a problem document

  host_rule {
    hosts        = [each.value]
    path_matcher = "api"
  }

  path_matcher {
    name            = "api"
    default_service = google_compute_backend_service.fronted["job_status"].id

    dynamic "path_rule" {
      for_each = local.paths

      content {
        paths   = path_rule.value
        service = google_compute_backend_service.fronted[path_rule.key].id
      }
    }
  }
}

resource "google_compute_managed_ssl_certificate" "front" {
  for_each = local.domain

  name = "${var.prefix}-${replace(each.value, ".", "-")}"

  managed {
    domains = [each.value]
  }

  depends_on = [google_project_service.services]
}

resource "google_compute_ssl_policy" "front" {
  for_each = local.domain

  name            = "${var.prefix}-front"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.services]
}

resource "google_compute_target_https_proxy" "front" {
  for_each = local.domain

  name             = "${var.prefix}-front"
  url_map          = google_compute_url_map.front[each.key].id
  ssl_certificates = [google_compute_managed_ssl_certificate.front[each.key].id]
  ssl_policy       = google_compute_ssl_policy.front[each.key].id
}

resource "google_compute_global_address" "front" {
  for_each = local.domain

  name = "${var.prefix}-front"

  depends_on = [google_project_service.services]
}

resource "google_compute_global_forwarding_rule" "front" {
  for_each = local.domain

  name                  = "${var.prefix}-front"
  target                = google_compute_target_https_proxy.front[each.key].id
  ip_address            = google_compute_global_address.front[each.key].id
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}
