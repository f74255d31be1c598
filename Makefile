# make check: everything that has to hold.  It sets up what it needs, on a fresh Debian machine too.
# The other targets are its parts.

.PHONY: check setup lint test real lock clean
PY = .venv/bin/python
SHELL_FILES = regress .ci/run guest/init guest/lib.sh $(wildcard scenarios/*/*.sh)

check: lint test real

# The launcher makes the environment; the development tools come on top of it.
setup: .venv/dev-stamp
.venv/dev-stamp: requirements.lock requirements-dev.lock
	./regress --version
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	./regress doctor --install
	touch $@

lint: setup
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	shellcheck -x $(SHELL_FILES)

test: setup
	$(PY) -m pytest -m "not real"

# Builds and boots real kernels.
real: setup
	$(PY) -m pytest -m real

lock:
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
	    --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
	    --custom-compile-command "make lock" --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
