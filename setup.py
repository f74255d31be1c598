"""What pyproject.toml cannot say: the program's data lie beside its package, and are installed inside of it;
its man page and completion go where each reader looks.
"""

from setuptools import find_packages, setup

DATA = ("guest", "kconfigs", "scenarios")

setup(
    packages=[*find_packages(include=["harness*"]), *(f"harness.{name}" for name in DATA)],
    package_dir={f"harness.{name}": name for name in DATA},
    data_files=[
        ("share/man/man1", ["contrib/man/regress.1"]),
        ("share/bash-completion/completions", ["contrib/completion/regress"]),
        ("share/zsh/site-functions", ["contrib/completion/_regress"]),
        ("share/fish/vendor_completions.d", ["contrib/completion/regress.fish"]),
    ],
    package_data={f"harness.{name}": ["**"] for name in DATA},
)
