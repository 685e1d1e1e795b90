"""Ratings from anywhere: the analysis of a survey without a run, a profile or pictures."""
