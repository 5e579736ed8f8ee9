"""Puts this folder on the path of every test, for what tests share: `graphs` and `strategies`."""
