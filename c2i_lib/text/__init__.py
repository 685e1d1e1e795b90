"""Text: noun phrases, explicit words, likeness in wording and in meaning."""
