"""Counts: pure functions over plain data, with no SDK and no I/O."""
