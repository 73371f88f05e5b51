"""Pictures and pages of word vectors."""
