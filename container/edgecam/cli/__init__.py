"""The command line: main, ingest, probe."""
