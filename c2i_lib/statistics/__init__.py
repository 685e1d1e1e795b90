"""Statistics: arrays and tables in, tables out; no files, no profile, no arms' names."""
