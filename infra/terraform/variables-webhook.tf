# How salad_webhook becomes public. docs/deploy.md says which way fits which organisation policy.

variable "webhook_invokers" {
  description = "Only with webhook_public_mode `front`: who may call salad_webhook, as IAM members (the service account of the proxy in front)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.webhook_invokers : can(regex("^serviceAccount:.+", member))])
    error_message = "Each of webhook_invokers must be a service account, as serviceAccount:name@project.iam.gserviceaccount.com."
  }

  validation {
    condition     = (var.webhook_public_mode == "front") == (length(var.webhook_invokers) > 0)
    error_message = "webhook_invokers belongs to webhook_public_mode = \"front\": give the front's service account there, and none otherwise."
  }
}

variable "webhook_public_mode" {
  description = "`all_users`: allUsers may invoke salad_webhook. If an organisation policy forbids that: `org_policy_exception` (lifts the policy in this project), `run_service` (a Cloud Run service without the invoker check), or `front` (only webhook_invokers may invoke it, and your public proxy is in front of it)."
  type        = string
  default     = "all_users"
  nullable    = false

  validation {
    condition     = contains(["all_users", "org_policy_exception", "run_service", "front"], var.webhook_public_mode)
    error_message = "webhook_public_mode must be all_users, org_policy_exception, run_service or front."
  }
}

variable "webhook_public_origin" {
  description = "Only with webhook_public_mode `front`: the origin of the proxy in front, as Salad and the workers reach it, such as https://hooks.example.com."
  type        = string
  default     = null

  validation {
    condition     = var.webhook_public_origin == null || can(regex("^https://[a-z0-9.-]+$", var.webhook_public_origin))
    error_message = "webhook_public_origin must be an https origin without a path, such as https://hooks.example.com."
  }

  validation {
    condition     = (var.webhook_public_mode == "front") == (var.webhook_public_origin != null)
    error_message = "webhook_public_origin belongs to webhook_public_mode = \"front\": give it there, and nowhere else."
  }
}
