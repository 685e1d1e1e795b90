"""Stage 08: judges' scores, known answers, the best of n, closeness, and the hypothesis."""
