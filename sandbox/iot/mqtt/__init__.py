"""The embedded Cloud IoT's MQTT bridge: who may connect, and what devices send and receive."""
