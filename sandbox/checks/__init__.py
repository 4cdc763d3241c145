"""What `make run ONCE=1` checks: frames, recordings, states, and that no secret leaks."""
