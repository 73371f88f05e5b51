"""From text to ids: readers, tokenisers, the vocabulary, the corpus. Knows no model."""
