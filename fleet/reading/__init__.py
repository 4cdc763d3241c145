"""Files become one document that knows where each value stands."""
