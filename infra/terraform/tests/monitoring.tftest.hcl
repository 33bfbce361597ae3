# Monitoring: each limit refuses wrong values, and alerts reach their recipients.

mock_provider "google" {}

variables {
  project_id     = "my-avatar-project"
  project_number = "123456789012"
  region         = "europe-west1"
  api_invokers   = ["serviceAccount:shop@my-shop.iam.gserviceaccount.com"]
  b2 = {
    bucket           = "my-avatar-videos"
    region           = "eu-central-003"
    download_url     = "https://f003.backblazeb2.com"
    read_key_id      = "003000000000000000000001"
    retention_key_id = "003000000000000000000002"
    mint_key_id      = "003000000000000000000003"
  }
  secret_versions = {
    api_clients           = 1
    b2_mint_app_key       = 1
    b2_read_app_key       = 1
    b2_retention_app_key  = 1
    report_token_secrets  = 1
    salad_api_key         = 1
    salad_webhook_secrets = 1
  }
}

run "alerts_reach_channels_and_addresses" {
  command = plan

  variables {
    alert_emails = ["platform@example.com"]
  }

  assert {
    condition     = length(google_monitoring_notification_channel.emails) == 1 && length(google_monitoring_alert_policy.thresholds) == 3
    error_message = "Each address gets a channel, each limit an alert."
  }
}

run "an_address_that_is_none" {
  command = plan

  variables {
    alert_emails = ["platform"]
  }

  expect_failures = [var.alert_emails]
}

run "a_ratio_of_all" {
  command = plan

  variables {
    alert_limits = { failure_ratio = 1 }
  }

  expect_failures = [var.alert_limits]
}

run "a_channel_by_name" {
  command = plan

  variables {
    notification_channels = ["pager"]
  }

  expect_failures = [var.notification_channels]
}

run "a_runbook_without_tls" {
  command = plan

  variables {
    runbook_url = "http://runbook.example.com"
  }

  expect_failures = [var.runbook_url]
}
