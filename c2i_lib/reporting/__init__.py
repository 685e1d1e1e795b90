"""Reporting: figures and tables for a paper."""
