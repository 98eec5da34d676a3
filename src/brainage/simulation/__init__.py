"""Simulated heads with a known truth."""
