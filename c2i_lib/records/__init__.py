"""Records: files that are whole or not there, and stages that know when they are done."""
