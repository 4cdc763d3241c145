"""The model of fleet.yaml, one module a section."""
