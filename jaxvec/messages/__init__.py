"""Messages of errors: what was expected, what came, what to write."""
