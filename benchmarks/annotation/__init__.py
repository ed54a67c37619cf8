"""Benchmarks of annotation: label page, plan, CVAT, adjudication."""
