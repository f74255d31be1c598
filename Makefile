# make check: everything that has to hold.  It sets up what it needs, on a fresh Debian machine too.
# The other targets are its parts, and the odd jobs.

.PHONY: check setup lint test real proofs board architectures torture kernels manual site lock clean
ifndef SEED
SEED := $(shell date +%s)
endif
SCALE ?= 1
# Not by the link, which another start may turn meanwhile; and held, so that it stays (see the launcher).
PYTHON = flock -s .venv/requirements.lock $$(readlink -f .venv)/bin/python
# Without the flags of this make, which are none of the tests'.
PYTEST = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(PYTHON) -m pytest
SHELL_FILES = regress .ci/run contrib/completion/regress guest/init guest/lib.sh guest/root guest/scenario harness/ssh/far.sh harness/machine/lab.sh harness/fleet/setup.sh $(wildcard scenarios/*/*.sh bench/*.sh tests/real/*/*.sh tests/real/roots/*/run.sh)
COMPILE = $(PYTHON) -m uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
	  --custom-compile-command "make lock"

# What boots kernels waits much of its time, so the other tests run beside it.
check: lint
	$(MAKE) -j 2 test real

# The launcher makes the environment; with REGRESS_DEV, the development tools are in it.
setup:
	REGRESS_DEV=1 ./regress doctor --install

lint: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	shellcheck -x $(SHELL_FILES)

test: setup
	$(PYTEST) -n auto --dist worksteal -m "not real"

# Builds and boots real kernels.
real: setup
	$(PYTEST) --durations=25 -m "real and not proof and not board and not architecture and not kernels and not chance"

# Builds a kernel with a fault for each scenario, under which it has to fail.
proofs: setup
	$(PYTEST) -m proof

# Tries kernels on a test machine over SSH, which QEMU plays.
board: setup
	$(PYTEST) -m board

# Builds and boots the main scenario and pi-disk on every other architecture (docs/architectures.md).
architectures: setup
	$(PYTEST) tests/real/test_architectures.py

# Breaks the program on purpose, for long (docs/reliability.md).
torture: setup
	@echo "make torture SEED=$(SEED) SCALE=$(SCALE)"
	$(PYTHON) -m bench.hostile_histories --count $$((100 * $(SCALE))) --seed $(SEED) --jobs 2
	$(PYTHON) -m bench.kill --kills $$((40 * $(SCALE))) --seed $(SEED)
	REGRESS_FAULTS=$$((20 * $(SCALE))) REGRESS_SEED=$(SEED) $(PYTEST) -s tests/fleet/test_faults.py
	REGRESS_KILLS=$$((12 * $(SCALE))) $(PYTEST) tests/nightly/test_three_weeks.py -k killed
	REGRESS_EACH=1 $(PYTEST) -n auto tests/edges/test_environment.py
	$(PYTEST) -m chance

# Further kernels: of few modules over tinyconfig, and with this machine's own root file system.
kernels: setup
	$(PYTEST) -m kernels

# Makes what is generated of the documentation: references, man page, completion, JSON Schema.
manual: setup
	$(PYTHON) -m manual

# Makes the site of the documentation, .site/html.
site: setup
	$(PYTHON) -m manual.site

lock: setup
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .site .venv .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis
