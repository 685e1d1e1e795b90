"""A run: where its files are, and the chain of its notebooks."""
