"""A consumer of the frames, to be copied: a component of its own beside edgecam, which reports motion."""
