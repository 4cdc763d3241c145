"""Handlers of custom resources: each module has `handler` for Lambda and `apply` for what it does."""
