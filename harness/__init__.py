"""Reproduce kernel regressions and find the commit that brought them."""
