"""Kairos: learning, scoring, backtests and proofs behind the dbt project of the same name."""

__version__ = "0.1.0"
