# Everything runs in private environments below this folder; nothing is installed outside it.
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin

.PHONY: demo compare test parity check format lock clean

demo: .venv/ready  ## Pretrain with WEINCE and InfoNCE on real digits, judge both, open the report.
	$(BIN)/anchorwise demo

compare: .venv/ready  ## Six objectives on real digits, each at its best setting, with verdicts over five seeds.
	$(BIN)/anchorwise compare

test: .venv/ready  ## The test suite.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

parity: .parity/ready  ## Losses and gradients beside those of other libraries, and the README's table of them.
	.parity/bin/python -m pytest -m parity tests/parity
	KINETO_LOG_LEVEL=99 OMP_NUM_THREADS=1 .parity/bin/python -m benchmarks.parity_measure
	.parity/bin/python -m benchmarks.parity_table

check: .venv/ready  ## Lint, formatting, types, layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(UV)  ## Pin the newest versions that satisfy pyproject.toml.
	$(UV) pip compile pyproject.toml --quiet --universal --upgrade --extra vision --group dev \
		--no-header --no-annotate --python-version 3.11 --output-file requirements.lock

clean:
	rm -rf .uv .venv .parity runs

.venv/ready: requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --requirement requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --editable .
	touch $@

.parity/ready: requirements.lock pyproject.toml | $(UV)
	test -x .parity/bin/python || $(UV) venv --quiet --python $(PYTHON) .parity
	VIRTUAL_ENV=.parity $(UV) pip install --quiet --requirement requirements.lock --group parity
	VIRTUAL_ENV=.parity $(UV) pip install --quiet --no-deps --editable .
	touch $@

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv
