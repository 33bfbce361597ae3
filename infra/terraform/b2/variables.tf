# The settings of the bucket.

variable "bucket" {
  description = "The bucket's name, unique among all customers of B2; it is `b2.bucket` of the main root."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]{6,63}$", var.bucket)) && !startswith(var.bucket, "b2-")
    error_message = "bucket must be 6 to 63 letters, digits and '-', and not begin with b2-."
  }
}

variable "is_public" {
  description = "Whether anybody who knows a video's address may download it: only for output_url_mode = \"public\"."
  type        = bool
  default     = false
  nullable    = false
}
