# The tick's settings are those of the fleet file, and a file that cannot work is refused before anything is created.

mock_provider "google" {}

variables {
  project_id     = "my-avatar-project"
  project_number = "123456789012"
  region         = "europe-west1"
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

run "the_groups_come_from_the_file_in_its_order" {
  command = plan

  variables {
    fleet_file = "tests/fleet-three-groups.yaml"
  }

  assert {
    condition = jsondecode(google_cloudfunctions2_function.functions["scale_tick"].service_config[0].environment_variables.SCALE_GROUPS) == [
      { name = "second", min = 1, max = 4, warm_seconds = 45 },
      { name = "first", fixed = true, warm_seconds = 60 },
      { name = "third", min = 0, max = 9, warm_seconds = 30 },
    ]
    error_message = "SCALE_GROUPS must have each group of the file, in the file's order, with min and max or fixed."
  }

  assert {
    condition     = google_cloudfunctions2_function.functions["scale_tick"].service_config[0].environment_variables.ALWAYS_ON_MIN_REPLICAS_3060 == "2"
    error_message = "ALWAYS_ON_MIN_REPLICAS_3060 must be the replicas of the fixed group."
  }

  assert {
    condition     = google_cloudfunctions2_function.functions["submit_job"].service_config[0].environment_variables.SALAD_QUEUE_NAME == "heads"
    error_message = "Where jobs are sent must come from the fleet file."
  }
}

run "fewer_replicas_than_the_file_always_keeps" {
  command = plan

  variables {
    fleet_file = "tests/fleet-three-groups.yaml"
    scaling    = { max_replicas = 2 }
  }

  expect_failures = [google_cloudfunctions2_function.functions]
}

run "two_fixed_groups" {
  command = plan

  variables {
    fleet_file = "tests/fleet-two-fixed.yaml"
  }

  expect_failures = [google_cloudfunctions2_function.functions]
}

run "all_of_it_can_be_applied_to_the_mock" {
  command = apply

  variables {
    domain       = "avatar.example.com"
    budget       = { billing_account = "012345-6789AB-CDEF01", monthly_usd = 100 }
    api_invokers = ["serviceAccount:shop@my-shop.iam.gserviceaccount.com"]
  }

  assert {
    condition     = output.functions_deployed && output.webhook_url == "https://avatar.example.com/v1/webhooks/salad"
    error_message = "With a domain, Salad must be sent to the base URL."
  }
}
