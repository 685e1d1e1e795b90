"""The survey as a local web app."""
