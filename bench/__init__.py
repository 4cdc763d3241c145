"""Measurements: what edgecam costs and how long it takes, beside peers in the same run."""
