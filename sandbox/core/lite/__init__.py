"""The core as Nucleus Lite: its sizes, its scripts, its units under systemd, its daemons that die."""
