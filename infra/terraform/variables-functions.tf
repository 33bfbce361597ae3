# What the functions are made from, who calls them, and what they answer with.

variable "api_invokers" {
  description = "Who may call submit_job and job_status, as IAM members (apps' service accounts or groups); beside that, each app needs its API key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.api_invokers : can(regex("^(serviceAccount|group|user|domain|principal|principalSet):.+", member))])
    error_message = "Each of api_invokers must be an IAM member such as serviceAccount:app@project.iam.gserviceaccount.com; allUsers is not taken, because only the webhook is public."
  }
}

variable "output_lifetime_days" {
  description = "How many days after its end a job's video can be fetched, 1 to 3650."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.output_lifetime_days >= 1 && var.output_lifetime_days <= 3650 && floor(var.output_lifetime_days) == var.output_lifetime_days
    error_message = "output_lifetime_days must be a whole number from 1 to 3650."
  }
}

variable "output_url_mode" {
  description = "`signed`: links presigned for an hour at each answer; `public`: plain file URLs of a public bucket."
  type        = string
  default     = "signed"
  nullable    = false

  validation {
    condition     = contains(["signed", "public"], var.output_url_mode)
    error_message = "output_url_mode must be signed or public."
  }
}

variable "packages_dir" {
  description = "The folder with the four zips of `make package`; relative to this folder."
  type        = string
  default     = "../../build"
  nullable    = false
}

variable "runtime" {
  description = "The functions' Python: the one that CI tests beside 3.11."
  type        = string
  default     = "python313"
  nullable    = false

  # python310 and older get no patches any more; python314 installs with another tool, which nobody tried here.
  validation {
    condition     = can(regex("^python31[1-3]$", var.runtime))
    error_message = "runtime must be python311, python312 or python313."
  }
}

variable "submit_max_instances" {
  description = "How many instances of submit_job may run; they share 120 calls a minute to Salad (SUBMIT_MAX_INSTANCES)."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.submit_max_instances >= 1 && var.submit_max_instances <= 100 && floor(var.submit_max_instances) == var.submit_max_instances
    error_message = "submit_max_instances must be a whole number from 1 to 100: with more, an instance has less than a call a minute."
  }
}

variable "submit_min_instances" {
  description = "How many instances of submit_job wait warm, paid for also when nobody calls; 1 spares the first app a cold start."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.submit_min_instances >= 0 && var.submit_min_instances <= var.submit_max_instances
    error_message = "submit_min_instances must be from 0 to submit_max_instances."
  }
}
