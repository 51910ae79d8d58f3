"""Benchmarks: ratios measured side by side, after both sides have given equal rows."""
