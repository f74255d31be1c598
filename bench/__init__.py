"""Benchmarks, one command each; docs/benchmarks.md has what they measured."""
