# What the main root needs.

output "bucket" {
  description = "The bucket's name."
  value       = b2_bucket.videos.bucket_name
}
