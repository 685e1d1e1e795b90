"""Models: where they run, language models, and judges."""
