"""Evaluation of detectors on the same streams, their comparison, and the report."""
