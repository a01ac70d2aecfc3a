"""Measured numbers that a command measures again: `bin/reproduce.py`."""
