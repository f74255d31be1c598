"""Reproduce kernel regressions and find the commit that brought them."""

VERSION = "0.1.0"
