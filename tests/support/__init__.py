"""What several test tiers share: real loopback servers, factories, the OpenAPI validator."""
