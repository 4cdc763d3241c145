"""Chunks: cut at keyframes, written, and finished as files that each play alone."""
