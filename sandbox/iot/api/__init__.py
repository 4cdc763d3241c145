"""The embedded Cloud IoT's HTTP APIs: Google's, ClearBlade's, and one that injects faults."""
