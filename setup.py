"""What pyproject.toml cannot say: the program's data lie beside its package, and are installed inside of it."""

from setuptools import find_packages, setup

DATA = ("guest", "kconfigs", "scenarios")

setup(
    packages=[*find_packages(include=["harness*"]), *(f"harness.{name}" for name in DATA)],
    package_dir={f"harness.{name}": name for name in DATA},
    package_data={f"harness.{name}": ["**"] for name in DATA},
)
