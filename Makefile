# Two commands do everything: `make run` and `make test`. Both install what they need and say so.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
# How many lanes of tests run side by side; most of their time is waiting.
WORKERS ?= 4
# The environment's own programs first: python3, uv, edgecam.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# A run of the tests starts hundreds of Pythons: each would compile all that it imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: run
run: ## the whole system on this machine; ONCE=1 checks it and ends; NUCLEUS=lite-2.6.0 NUCLEUS_SHELL=bash
	@tools/install run
	@ONCE=$(ONCE) NUCLEUS=$(NUCLEUS) NUCLEUS_SHELL=$(NUCLEUS_SHELL) .venv/bin/python -m sandbox

.PHONY: test
test: ## all tests; ARGS="tests/stacks -k snapshot" for some
	@tools/install test
	@.venv/bin/python -m pytest --numprocesses=$(WORKERS) --durations=10 $(ARGS) && echo "make test: all tests passed"

.PHONY: trixie
trixie: ## the tests that need no Docker, on Debian 13; ARGS="tests/edgecam -x" for some
	@tools/on_release trixie $(ARGS)

.PHONY: lint
lint: ## ruff and mypy
	@tools/install test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.PHONY: audit
audit: ## what is known against the locked Python packages (asks a public service)
	@tools/install deploy
	@.venv/bin/python -m tools.audit

.PHONY: format
format: ## put the code into its form
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.PHONY: keys
keys: ## CAMERA=door: the key pair of a device, without CDK (ALGORITHM=ES256: P-256 in place of RSA; EXPIRES=2027-06-30)
	@$(if $(CAMERA),,echo "make keys: expected the id of a camera, as in: make keys CAMERA=door" >&2; exit 2;) \
	  tools/keys "$(CAMERA)" $(if $(ALGORITHM),--algorithm "$(ALGORITHM)") $(if $(EXPIRES),--expires "$(EXPIRES)")

.PHONY: lock
lock: ## resolve the Python dependencies again (UPGRADE=1: to the newest)
	for project in . sandbox/aws stacks/gcp/iot; do (cd $$project && $(CURDIR)/.venv/bin/uv lock $(if $(UPGRADE),--upgrade) && \
	  sed -E -i 's#registry = "https://[^"]*"#registry = "index"#; s#url = "https://[^"]*/([^"/]*)"#path = "\1"#; s/, size = [0-9]+//' uv.lock); done
	.venv/bin/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --generate-hashes --no-header --no-annotate - -o tools/uv.txt <<<uv
	.venv/bin/python -m container.image.requirements
	.venv/bin/python -m container.image.requirements awsiotsdk pillow > examples/consumer/requirements.txt

.PHONY: release
release: ## VERSION=0.2.0: wheel, text and images of a release, without a forge (BASE=…@sha256:…, IMAGES=none|possible|all)
	@$(if $(VERSION),,echo "make release: expected a version, as in: make release VERSION=0.2.0" >&2; exit 2;) \
	  tools/install deploy && .venv/bin/python -m tools.release "$(VERSION)" $(if $(BASE),--base "$(BASE)") $(if $(IMAGES),--images "$(IMAGES)")

.PHONY: docs
docs: ## the pages' tables of settings, from the models; the table of rooms, from the tree
	.venv/bin/python -m tools.settings_table
	.venv/bin/python -m tools.where_is_what

.PHONY: bench
bench: ## the measurements of bench/README.md (about an hour on a quiet machine)
	@tools/install test
	.venv/bin/python -m bench.frames
	.venv/bin/python -m bench.recording
	.venv/bin/python -m bench.upload
	.venv/bin/python -m bench.faults
	.venv/bin/python -m bench.image_size
	.venv/bin/python -m bench.synth

.PHONY: soak
soak: ## MINUTES=120 of bad cameras, and whether anything grows
	@tools/install test
	.venv/bin/python -m bench.soak --minutes $(or $(MINUTES),120)

.PHONY: fuzz
fuzz: ## MINUTES=10 of what nobody would write, fed to everything that reads from outside
	@tools/install test
	.venv/bin/python -m fuzz --minutes $(or $(MINUTES),10)
