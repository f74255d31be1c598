"""Reproduce kernel regressions and find the commit that introduced them."""

VERSION = "0.1.0"
