# The bucket of the finished videos, and the ids (not the secrets) of the keys for it.

variable "b2" {
  description = "The bucket at Backblaze B2: its name, region and file host, the ids of three keys (rights: docs/environment.md), and the folder of the videos."
  type = object({
    bucket           = string
    region           = string
    download_url     = string
    read_key_id      = string
    retention_key_id = string
    mint_key_id      = optional(string)
    prefix           = optional(string, "musetalk/outputs/")
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]{3}$", var.b2.region))
    error_message = "b2.region must be the region of the bucket's S3 endpoint, such as eu-central-003 in s3.eu-central-003.backblazeb2.com."
  }

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.b2.download_url))
    error_message = "b2.download_url must be the account's file host, such as https://f003.backblazeb2.com, without a path."
  }

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]{6,63}$", var.b2.bucket))
    error_message = "b2.bucket must be a bucket's name: 6 to 63 letters, digits and '-'."
  }

  validation {
    condition     = alltrue([for id in [var.b2.read_key_id, var.b2.retention_key_id, coalesce(var.b2.mint_key_id, var.b2.read_key_id)] : can(regex("^[0-9a-zA-Z]{12,32}$", id))])
    error_message = "b2.read_key_id, b2.retention_key_id and b2.mint_key_id must be ids of application keys (12 to 32 letters and digits), not the keys themselves."
  }

  validation {
    condition     = can(regex("^([A-Za-z0-9._-]+/)+$", var.b2.prefix))
    error_message = "b2.prefix must be a folder that ends with '/', such as musetalk/outputs/."
  }

  validation {
    condition     = var.worker_upload_keys == "node" || var.b2.mint_key_id != null
    error_message = "b2.mint_key_id is missing: with worker_upload_keys = \"per_job\" the functions make a storage key for each attempt."
  }
}

variable "worker_upload_keys" {
  description = "`per_job`: each attempt gets a storage key for its own outputs only; `node`: workers have one key in their environment, so anybody who controls a node can write to the whole bucket."
  type        = string
  default     = "per_job"
  nullable    = false

  validation {
    condition     = contains(["per_job", "node"], var.worker_upload_keys)
    error_message = "worker_upload_keys must be per_job or node."
  }
}
