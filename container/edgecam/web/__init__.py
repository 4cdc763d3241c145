"""The node's own page, health and metrics over HTTP."""
