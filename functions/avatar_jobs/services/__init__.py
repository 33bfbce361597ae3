"""The use cases, one in each module; they use only domain, protocol and ports."""
