"""The documents tell the truth: their examples run, their tables equal the code."""
