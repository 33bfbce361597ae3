# The bucket of the finished videos at Backblaze B2. Optional, and a separate root, so that no other state has its key.

terraform {
  required_version = ">= 1.11"

  required_providers {
    b2 = {
      source  = "Backblaze/b2"
      version = "~> 0.13"
    }
  }
}

# Reads B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY from the environment: a key with writeBuckets, only for this apply.
provider "b2" {}

resource "b2_bucket" "videos" {
  bucket_name = var.bucket
  bucket_type = var.is_public ? "allPublic" : "allPrivate"

  default_server_side_encryption {
    mode      = "SSE-B2"
    algorithm = "AES256"
  }

  # Removing a file only hides its versions. Hidden versions and unfinished uploads cost money until they are deleted.
  lifecycle_rules {
    file_name_prefix                                       = ""
    days_from_hiding_to_deleting                           = 1
    days_from_starting_to_canceling_unfinished_large_files = 1
  }
}

# No b2_application_key: the state would contain its value in clear text. Keys are made by hand (docs/deploy.md).
