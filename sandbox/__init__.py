"""The whole system on one machine: test cameras, an embedded AWS, and a core that runs what is deployed."""
