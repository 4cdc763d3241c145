"""The embedded Cloud IoT: registries and devices over Google's and ClearBlade's API, and the MQTT bridge.

Kept as the services document it: who may connect and until when, one connection a device, topics, quality of
service, sizes, one state a second, configurations and commands, events only where the registry has a topic
for them, ids, credentials, field masks, ten states and versions.

Not kept: a connection ends with its token and not ten minutes later, so that renewal can be tested; and there
are no gateways, no HTTP bridge, no access rights, no Pub/Sub behind it, and no quotas of the API itself.
"""
