"""Kernels: source trees, configuration, toolchains, building."""
