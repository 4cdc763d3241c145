"""The embedded AWS: ministack in an environment of its own, with the plug-in that adds what it lacks."""
