"""Benchmarks of the figures of agreement and consensus."""
