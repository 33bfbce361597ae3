# How the tick sets the fleet's size. docs/environment.md explains each setting; null means the code's default.

variable "scaling" {
  description = "The tick's scaling rule and its numbers; the groups are in the fleet file."
  type = object({
    rule                   = optional(string, "drain")
    preset                 = optional(string, "balanced")
    max_replicas           = optional(number, 20)
    daily_budget_usd       = optional(number)
    observe_only           = optional(bool, false)
    drain_seconds          = optional(number)
    hold_seconds           = optional(number)
    floor                  = optional(number)
    slack                  = optional(number)
    stuck_seconds          = optional(number)
    manual_hold_seconds    = optional(number)
    queue_includes_running = optional(bool)
    windowed = optional(object({
      up_jobs               = optional(number)
      down_jobs             = optional(number)
      up_window_seconds     = optional(number)
      down_window_seconds   = optional(number)
      step                  = optional(number)
      up_cooldown_seconds   = optional(number)
      down_cooldown_seconds = optional(number)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["drain", "windowed"], var.scaling.rule)
    error_message = "scaling.rule must be drain or windowed."
  }

  validation {
    condition     = contains(["balanced", "eco", "warm"], var.scaling.preset)
    error_message = "scaling.preset must be balanced, eco or warm."
  }

  validation {
    condition     = var.scaling.max_replicas >= 0 && var.scaling.max_replicas <= 5000 && floor(var.scaling.max_replicas) == var.scaling.max_replicas
    error_message = "scaling.max_replicas must be a whole number from 0 to 5000, including the fixed replicas."
  }

  validation {
    condition     = coalesce(var.scaling.daily_budget_usd, 0) >= 0 && coalesce(var.scaling.daily_budget_usd, 0) <= 1000000
    error_message = "scaling.daily_budget_usd must be from 0 to 1000000 dollars, or left out for no limit."
  }
}
