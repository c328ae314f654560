"""Identities of CI jobs: OpenID Connect's ID tokens, their issuers' keys, and what the settings grant for them."""
