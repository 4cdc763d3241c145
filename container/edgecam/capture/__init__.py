"""One connection to a camera: its pipeline, its access units, the recording's tap."""
