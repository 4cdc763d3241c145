"""Cloud IoT Core's protocol: device session, connection, JWT, keys, commands, state."""
