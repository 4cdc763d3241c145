"""The node configuration: models, validation, and reading it."""
