# Two commands do everything: make demo, make test.  The rest is convenience.
.POSIX:
.PHONY: demo test lint format clean

DEMO = runs/demo
BIN = .venv/bin

demo: .venv/.installed
	@$(BIN)/python bin/cifar_train_baseline.py --overwrite \
	    --flagfile=flags/quickstart_baseline.flags \
	    --train_log_dir=$(DEMO)/baseline
	@$(BIN)/python bin/cifar_train_mentormix.py --overwrite \
	    --flagfile=flags/quickstart.flags --train_log_dir=$(DEMO)/mentormix
	@$(BIN)/python bin/show_runs.py \
	    --runs=$(DEMO)/baseline,$(DEMO)/mentormix

test: .venv/.installed-dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/.installed: setup.cfg pyproject.toml bin/make_venv.sh
	@sh bin/make_venv.sh .

.venv/.installed-dev: setup.cfg pyproject.toml bin/make_venv.sh
	@sh bin/make_venv.sh '.[dev]'
	@touch .venv/.installed-dev

clean:
	rm -rf .venv build dist *.egg-info
