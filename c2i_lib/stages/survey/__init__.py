"""Stage 06: images → blind surveys → ratings."""
