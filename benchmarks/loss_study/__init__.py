"""Streaming Anchor Loss against other losses, on three tasks: what `benchmarks/study.py` runs."""
