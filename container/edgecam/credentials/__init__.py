"""Camera logins, and where their secrets come from."""
