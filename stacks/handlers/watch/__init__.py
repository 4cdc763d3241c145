"""A scheduled function that watches the states of the cameras."""
