"""What a camera is doing: reports, JSON, metrics, outages, how the last run ended."""
