"""What an error says: what was expected, what came, what to write."""
