"""Files become one document in which each value has its location."""
