"""Who is notified of camera states: the interface of brokers, the state document, AWS IoT Core."""
