"""All of it together: camera workers, remote control, transports, the process."""
