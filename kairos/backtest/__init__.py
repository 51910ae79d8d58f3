"""Backtests: what happens to target weights once they are held. Pure functions over arrays and Arrow tables."""
