"""The embedded Cloud IoT: registries and devices over Google's and ClearBlade's API, and the MQTT bridge."""
