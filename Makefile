# Copyright (c) 2026 The vsmtp.relay authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything here is for developers and for the curious; users install the collection with ansible-galaxy.
# All that is made lies in .build, and make clean takes it away.

SHELL := /bin/bash
BUILD := $(CURDIR)/.build
VENV := $(BUILD)/venv
GUESTS := PYTHONPATH=dev python -m guests
GATES := PYTHONPATH=dev python -m gates
# What the tarball is made of; wildcard leaves out what is deleted and not yet committed.
SOURCES := $(wildcard $(shell git ls-files --cached --others --exclude-standard -- galaxy.yml '*.md' LICENSE LICENSES REUSE.toml \
    meta plugins roles playbooks docs changelogs tests/sanity 2>/dev/null))
TARBALL = $(firstword $(wildcard $(BUILD)/release/vsmtp-relay-*.tar.gz))

PATH_WITHOUT_VENV := $(PATH)
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)/collections
export MOLECULE_EPHEMERAL_DIRECTORY := $(BUILD)/molecule
export GUESTS_STATE ?= $(BUILD)/guests

.PHONY: help demo test test-fast test-matrix lint unit gates changelog release pre-commit
.PHONY: images molecule mail sendmail-cf virtual-servers fleet page recorder renewal logins metrics clients sharing sharing-pages provider breaking hostile-owner test-bed power-cut clean
help:
	@echo 'make demo        boots mail hosts, applies the role, and shows step by step what it does'
	@echo 'make test        the whole suite; installs what it needs (as root, on Debian)'
	@echo 'make test-fast   lint and unit tests only'
	@echo 'make test-matrix every ansible-core that the Pythons here allow, and the heavy tests at full size'
	@echo 'make test-next   Debian testing and the ansible-core to come: what works there'
	@echo 'make gates       ansible-test, galaxy-importer and the linters of collections'
	@echo 'make release     builds the tarball and checks it'
	@echo 'make bench       measures the database, the login recorder, the role and sharing; writes docs/benchmarks/'
	@echo 'make clean       removes guests, networks, images and environments'

demo: $(VENV)/ready collection
	@PYTHONPATH=dev python -m demo

test: $(VENV)/ready
	@PYTHONPATH=dev python -m suite

# Several tests at full size, and every ansible-core that the Pythons at hand allow.
test-matrix: test
	$(GATES) matrix
	pytest --full -s tests/system/mail tests/system/fleet tests/system/sendmail_cf tests/system/recorder tests/system/virtual_servers tests/system/breaking tests/system/hostile_owner
	pytest --full -s tests/system/sharing --ignore tests/system/sharing/test_pages.py

# Debian testing and the ansible-core to come: says what fails there, and never fails itself.
.PHONY: test-next
test-next: $(VENV)/ready collection
	@PYTHONPATH=dev dev/next

# Many unit tests wait, so there are more processes than cores. Their coverage takes as long again: make unit.
test-fast: lint
	pytest --numprocesses 6 tests/unit

lint: $(VENV)/ready $(BUILD)/ansible_collections/vsmtp/relay
	ruff check .
	ruff format --check .
	mypy
	yamllint --strict .
	shellcheck dev/set-up dev/next $$(git ls-files '*.sh' '*.bash-completion')
	$(GATES) target-syntax
	cd $(BUILD)/ansible_collections/vsmtp/relay && ANSIBLE_COLLECTIONS_PATH=$(BUILD) ansible-lint --offline --profile production

unit: $(VENV)/ready $(BUILD)/ansible_collections/vsmtp/relay
	rm -rf $(BUILD)/coverage
	mkdir -p $(BUILD)/coverage
	coverage run -m pytest --numprocesses auto tests/unit
	coverage combine --quiet
	coverage report
	coverage json --quiet -o $(BUILD)/coverage/report.json
	$(GATES) branches $(BUILD)/coverage/report.json

# What the ecosystem asks of a collection, with the ansible-core of the environment.
gates: $(VENV)/ready collection
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all --disallow-unknown-collection-refs .
	reuse lint --quiet || reuse lint
	$(GATES) galaxy-importer $(TARBALL)
	$(GATES) ansible-test $(GATES_OPTIONS)

# The changelog from the fragments, for the version of galaxy.yml; again, after something was added, until it is released.
changelog: $(VENV)/ready
	antsibull-changelog release --reload-plugins --update-existing

# The tarball for Galaxy, in .build/release.
release: $(VENV)/ready collection
	$(GATES) galaxy-importer $(TARBALL)
	$(GATES) release $(TARBALL)
	@echo 'To publish: ansible-galaxy collection publish $(TARBALL)'

# Has git call the quick checks before each commit.
pre-commit: $(VENV)/ready
	pre-commit install

# Built outside the guests' network, which has no way out.
images: $(VENV)/ready
	for image in bookworm trixie bullseye programs; do $(GUESTS) image $$image || exit; done

mail: $(VENV)/ready collection
	pytest tests/system/mail

sendmail-cf: $(VENV)/ready collection
	pytest -s tests/system/sendmail_cf

virtual-servers: $(VENV)/ready collection
	pytest -s tests/system/virtual_servers

fleet: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest tests/system/fleet

# WRITE_PICTURES=1 draws the pictures of docs/operations.md.
page: $(VENV)/ready $(BUILD)/ansible_collections/vsmtp/relay
	pytest -s tests/system/page

# What renewal does takes minutes of waiting, so it has a part of its own, beside another one.
recorder: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest -s tests/system/recorder --ignore tests/system/recorder/test_renewal.py

renewal: $(VENV)/ready collection
	pytest -s tests/system/recorder/test_renewal.py

# WRITE_TABLE=1 writes the table of docs/logins.md.
logins: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest tests/system/logins

# DRAW_DASHBOARD=1 draws the picture of the dashboard.
metrics: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest -s tests/system/metrics

# WRITE_TABLE=1 writes the table of docs/clients.md.
clients: $(VENV)/ready collection
	pytest tests/system/clients

# What happens within a second is measured, so it runs alone, or beside a part that waits.
sharing: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest -s tests/system/sharing --ignore tests/system/sharing/test_pages.py

# Other hosts, and no seconds that count.
sharing-pages: $(VENV)/ready collection
	pytest tests/system/sharing/test_pages.py

# docs/provider.md from its beginning to its end, with the files of docs/provider.
provider: $(VENV)/ready collection
	pytest tests/system/provider

breaking: $(VENV)/ready collection
	pytest -s tests/system/breaking

hostile-owner: $(VENV)/ready collection
	pytest -s tests/system/hostile_owner

# The mail hosts' own machinery: that it knows which of them run, and says why one does not.
test-bed: $(VENV)/ready collection
	pytest tests/system/test_bed

# The machine is an emulated one: it needs the processor more than time.
power-cut: $(VENV)/ready collection
	pytest -s tests/system/power_cut

# What a killed run left is cleared outside the guests' network too.
molecule: $(VENV)/ready collection images
	molecule destroy --all
	$(GUESTS) controller -- molecule test --all

# What the documentation shows is run, and its site is built.
.PHONY: documentation docs-site drawings
documentation: $(VENV)/ready collection $(BUILD)/ansible_collections/vsmtp/relay
	pytest tests/system/documentation

docs-site: $(VENV)/ready collection
	@PYTHONPATH=dev python -m documentation.site $(BUILD)/site

drawings: $(VENV)/ready
	@PYTHONPATH=dev python -m documentation.drawings

.PHONY: bench
bench: $(VENV)/ready collection
	@PYTHONPATH=dev python -m bench $(BENCH_OPTIONS)

.PHONY: shell
# A shell in which pytest, ansible-playbook, molecule and python -m guests find everything.
shell: $(VENV)/ready collection
	@PYTHONPATH=dev $(SHELL)

.PHONY: collection
# The tarball that users get, installed as users install it: nothing is tested from the checkout that a user would not have.
collection: $(BUILD)/collections/installed
$(BUILD)/collections/installed: $(VENV)/ready $(SOURCES)
	rm -rf $(BUILD)/release
	ansible-galaxy collection build --force --output-path $(BUILD)/release .
	ansible-galaxy collection install --force --offline --collections-path $(BUILD)/collections $(BUILD)/release/vsmtp-relay-*.tar.gz
	touch $@

# Python finds the checkout under the name that the modules import it by.
$(BUILD)/ansible_collections/vsmtp/relay:
	mkdir -p $(@D)
	ln -sfn $(CURDIR) $@

$(VENV)/ready: dev/requirements.txt tests/unit/requirements.txt dev/set-up
	PATH='$(PATH_WITHOUT_VENV)' dev/set-up $(VENV)
	touch $@

clean:
	@for state in $(GUESTS_STATE) $(BUILD)/guests-*; do \
	    if [ -d $$state ]; then GUESTS_STATE=$$state PYTHONPATH=dev python3 -m guests clean; fi; \
	done
	rm -rf $(BUILD) .hypothesis .mypy_cache .pytest_cache .ruff_cache changelogs/.plugin-cache.yaml
