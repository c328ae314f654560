# One verb each. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

index_program := roles/pypi_index/files/wheelhouse
step := .venv/bin/python demo/step.py
# the tools in .venv, before any others of the same name
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# The sets of hosts of `make molecule`: the Debian release of each, and the scenarios that share it, in their order. `default` is the office.
# `verify` is enough where the scenario before has set up what the next one needs.
SETS ?= index office trixie
on_office ?= bookworm test:blank-check verify:interrupted test:default verify:team verify:secrets verify:absent
on_index ?= bookworm converge:default verify:index verify:clients
on_trixie ?= trixie verify:controllers verify:default verify:documentation
on_core220 ?= trixie verify:controllers
# pytest's expression for the tests that run, without the exhaustive forms unless asked for them
export WHEELHOUSE_TESTS ?= not long

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: setup
setup: .venv/.complete ## put the locked tools into .venv, with the collection installed there by its name

.venv/.complete: requirements.txt
	@demo/venv

.PHONY: lock
lock: setup ## compile the locked requirements: of development, releases, controllers, the index's program, the benchmark, people's tools
	@compile="uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --python-version"
	$$compile 3.11 --group tools $(index_program)/pyproject.toml --custom-compile-command "make lock" --output-file requirements.txt
	$$compile 3.11 $(index_program)/pyproject.toml --no-header --output-file $(index_program)/requirements.txt
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' $(index_program)/pyproject.toml |
	    $$compile 3.11 - --no-header --no-annotate --output-file $(index_program)/build-requirements.txt
	$$compile 3.11 --group bench --custom-compile-command "make lock" --output-file tests/bench/requirements.txt
	$$compile 3.11 --group release --custom-compile-command "make lock" --output-file tests/release/requirements.txt
	$$compile 3.11 --group docs --custom-compile-command "make lock" --output-file docs/requirements.txt
	for release in tests/controllers/*.in; do
	    $$compile 3.12 $$release --custom-compile-command "make lock" --output-file $${release%.in}.txt
	done
	for tool in roles/*/files/*.in; do
	    $$compile 3.11 $$tool --no-header --no-annotate --output-file $${tool%.in}.txt
	done

.PHONY: demo
demo: setup ## stand a working office up on this machine, prove it, and say where to look
	@demo/up
	$(step) --show "ansible-playbook -i inventories/demo site.yml" -- ansible-playbook -i inventories/demo site.yml
	$(step) "Access card" -- ansible-playbook -i inventories/demo demo/access.yml
	$(step) --show "The office, used by its people" -- pytest --no-header -p no:cacheprovider tests/integration/office -m proof
	python demo/card.py .demo

.PHONY: demo-down
demo-down: setup ## remove the demo's hosts, networks and secrets, and stop the engine that it started
	@if docker version >/dev/null 2>&1 && [ -s .demo/images.json ]; then
	    $(step) "The hosts go" -- ansible-playbook -i inventories/demo demo/destroy.yml
	fi
	rm -rf .demo
	demo/engine stop

.PHONY: demo-cluster
demo-cluster: export WHEELHOUSE_DEMO = cluster
demo-cluster: setup ## the same for an index with two gateways, a database with a standby, a store and two balancers
	@demo/up
	$(step) --show "ansible-playbook -i inventories/demo-cluster site.yml" -- ansible-playbook -i inventories/demo-cluster site.yml
	$(step) --show "The index, used while its hosts are killed" -- pytest --no-header -p no:cacheprovider tests/integration/cluster -m proof
	python demo/cluster_card.py .demo-cluster

.PHONY: demo-cluster-down
demo-cluster-down: export WHEELHOUSE_DEMO = cluster
demo-cluster-down: setup ## remove the hosts of demo-cluster, their networks and secrets, and stop the engine that it started
	@if docker version >/dev/null 2>&1 && [ -s .demo-cluster/images.json ]; then
	    $(step) "The hosts go" -- ansible-playbook -i inventories/demo-cluster demo/destroy.yml
	fi
	rm -rf .demo-cluster
	demo/engine stop

.PHONY: role
role: setup ## apply one role to the running demo, as site.yml does: R=package_client
	@python tests/tools/apply_role.py $(R)

.PHONY: integration
integration: setup ## tests of an office on the running demo: T=tests/integration/office/test_network.py
	@pytest --no-header -p no:cacheprovider $(or $(T),tests/integration/office -m proof)

.PHONY: test
test: setup ## everything below, three at a time
	@$(call side_by_side,lint sanity docs $(SETS:%=on-%) unit)
	echo "All tests passed."

.PHONY: lint
lint: export PRE_COMMIT_HOME := $(CURDIR)/.cache/pre-commit
lint: setup ## all checks of .pre-commit-config.yaml: ruff, mypy, yamllint, ansible-lint, shellcheck, generated files
	@$(step) --show "Lint" -- pre-commit run --all-files --hook-stage manual --color never

site := .cache/site
.PHONY: docs
docs: setup ## the documentation site, into .cache/site/html
	@with_tools="uv run --quiet --no-project --python .venv/bin/python --with-requirements docs/requirements.txt"
	$(step) "Tools for the site" -- $$with_tools python -c ""
	$(step) "antsibull-docs lint" -- $$with_tools antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
	# the guides, what they include, and what is generated; all pages anew, since each has the navigation in it
	rm -rf $(site)
	mkdir -p $(site)
	cp -a docs examples CHANGELOG.md CONTRIBUTING.md SECURITY.md galaxy.yml $(site)
	mkdir -m 700 $(site)/docs/reference
	$(step) "Reference of roles, modules and filters" -- $$with_tools antsibull-docs --config-file docs/antsibull.cfg collection \
	    --use-current --squash-hierarchy --fail-on-error --dest-dir $(site)/docs/reference wheelhouse.onboarding
	rm $(site)/docs/reference/index.rst $(site)/docs/reference/environment_variables.rst
	python tests/tools/reference_pages.py $(site)/docs/reference
	$(step) "Pages" -- $$with_tools sphinx-build -q -W --keep-going -b html $(site)/docs $(site)/html
	echo "Open $(site)/html/index.html"

.PHONY: sanity
sanity: setup ## ansible-test sanity
	@$(step) "ansible-test sanity" -- python tests/tools/sanity.py

.PHONY: unit
unit: setup ## unit tests; T=… chooses some of them, as pytest's arguments
	@$(if $(T),exec pytest -m "$$WHEELHOUSE_TESTS" $(T))
	$(step) "Programs of Debian" -- demo/programs
	$(step) --show "Unit tests" -- pytest --durations 12 --durations-min 5 -m "$$WHEELHOUSE_TESTS" tests/unit

.PHONY: test-long
test-long: WHEELHOUSE_TESTS := long or not long
test-long: export WHEELHOUSE_OFFICE_TESTS := long or not long
test-long: SETS += core220
test-long: test ## the same, with the exhaustive forms of the tests and the documentation's commands

.PHONY: release
release: setup ## changelog, built file and checksum of galaxy.yml's version, in dist; publishes nothing
	@$(step) --show "Release" -- python tests/tools/release.py

.PHONY: bench
bench: setup ## the index's speed against plain nginx, pypiserver, devpi and proxpi, into tests/bench; BENCH=quick tries it
	@docker version >/dev/null 2>&1 && engine_stops=true || engine_stops="demo/engine stop"
	export WHEELHOUSE_DEMO=bench
	leave() {
	    # so many files can take Docker longer than its client waits; the second time they are gone
	    for _ in 1 2; do
	        [ ! -s .demo-bench/images.json ] && break
	        $(step) "The hosts go" -- ansible-playbook -i inventories/demo demo/destroy.yml && break
	    done
	    rm -rf .demo-bench
	    $$engine_stops
	}
	trap leave EXIT
	demo/up
	$(step) "The index is set up" -- ansible-playbook -i inventories/demo --limit proxy_hosts,index_hosts site.yml
	$(step) "So is a directory, whose people log in there" -- python tests/bench/directory.py .demo-bench
	$(step) --show "Benchmark" -- timeout --foreground --signal=INT --kill-after=60 3000 \
	    uv run --quiet --no-project --python .venv/bin/python --with-requirements tests/bench/requirements.txt \
	    python tests/bench $(if $(filter quick,$(BENCH)),--quick) .demo-bench wheelhouse-index-bench \
	    $(if $(filter quick,$(BENCH)),.cache/bench,tests/bench)

.PHONY: bench-gateways
bench-gateways: setup ## the same of two gateways, on the running hosts of demo-cluster and demo, into tests/bench/gateways.md
	@uv run --quiet --no-project --python .venv/bin/python --with-requirements tests/bench/requirements.txt \
	    python tests/bench/gateways.py >.cache/gateways.md
	mv .cache/gateways.md tests/bench
	cat tests/bench/gateways.md

.PHONY: bench-fleet
bench-fleet: export WHEELHOUSE_DEMO = fleet
bench-fleet: setup ## what push and pull cost the controller, with 1, 10 and 50 workstations, into tests/bench/fleet.md
	@docker version >/dev/null 2>&1 && engine_stops=true || engine_stops="demo/engine stop"
	leave() {
	    [ ! -s .demo-fleet/images.json ] || $(step) "The hosts go" -- ansible-playbook -i inventories/demo demo/destroy.yml
	    rm -rf .demo-fleet
	    $$engine_stops
	}
	trap leave EXIT
	demo/up
	$(step) "Programs of Debian" -- demo/programs
	timeout --foreground --signal=INT --kill-after=600 10800 \
	    uv run --quiet --no-project --python .venv/bin/python --with-requirements tests/bench/requirements.txt \
	    python tests/bench/fleet.py .demo-fleet >.cache/fleet.md
	mv .cache/fleet.md tests/bench
	cat tests/bench/fleet.md

.PHONY: molecule
molecule: setup ## the scenarios, on real hosts; SETS=… chooses
	@$(call side_by_side,$(SETS:%=on-%))

on-%: setup
	@export WHEELHOUSE_DEMO=$* WHEELHOUSE_RELEASE=$(firstword $(on_$*))
	demo/up
	failed=
	for run in $(wordlist 2,$(words $(on_$*)),$(on_$*)); do
	    scenario=$${run#*:}
	    export MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/.demo-$*/molecule/$$scenario
	    [ $${run%:*} = test ] && arguments=(--destroy never) || arguments=()
	    $(step) --show "$$scenario" -- molecule $${run%:*} --no-command-borders --scenario-name $$scenario "$${arguments[@]}" || failed+=" $$scenario"
	done
	if [ "$$failed" ]; then
	    echo "Failed on the set of hosts $*, which stay:$$failed" >&2
	    exit 1
	fi
	$(step) "The hosts go" -- ansible-playbook -i inventories/demo demo/destroy.yml
	rm -rf .demo-$*

# The same office on the other Debian: what the demo shows of it, and all tests with `make test-long`.
on-trixie: export WHEELHOUSE_OFFICE_TESTS ?= proof

# the ansible-core between those that the other sets are set up with
on-core220: export WHEELHOUSE_CONTROLLER = 2.20

# Each line that they print says which it is of.
lint sanity unit docs on-%: export WHEELHOUSE_LANE = $(if $(LANES),$(@:on-%=%))

# Three for two cores, since each of them waits for a third of its time. After the quick ones, the hosts begin, which take longest.
define side_by_side
docker version >/dev/null 2>&1 || trap 'demo/engine stop' EXIT
$(step) "Docker engine" -- demo/engine start
$(step) "Programs of Debian" -- demo/programs
$(MAKE) --no-print-directory --jobs=3 --keep-going LANES=yes $(1)
endef
