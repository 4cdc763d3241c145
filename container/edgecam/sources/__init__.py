"""One module a scheme: where pictures come from."""
