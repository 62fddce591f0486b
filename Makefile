# Everything runs in private environments below this folder; nothing is installed outside it.
PYTHON ?= python3
# Whose torch: empty is the one in requirements.lock, with CUDA; cpu, cu126 and the like are torch's own builds.
TORCH ?=
# Bytecode at once: where Python may write none, every start would compile torch again. Empty, what is imported is compiled.
BYTECODE ?= --compile-bytecode
UV := .uv/bin/uv
BIN := .venv/bin
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.11
TORCH_FILES := torch|torchvision|triton|cuda-[a-z-]+|nvidia-[a-z0-9-]+
EDITABLE := --quiet --no-deps --build-constraints build.lock --editable .

# Where an environment forbids bytecode, every process of the tests would compile this package and its tests again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo compare test test-whole test-oldest parity docs release-check check format lock clean

demo: .venv/ready  ## Pretrain with InfoNCE at three temperatures and with Weibit, judge them, write a report.
	$(BIN)/anchorwise demo

compare: .venv/ready  ## Six objectives on real digits, each at its best setting, with verdicts over five seeds.
	$(BIN)/anchorwise compare

test: .venv/ready  ## The test suite.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

# Shapes and types are checked in `test`, in some of its tests (tests/conftest.py): here that would cost much of the time.
test-whole: .venv/ready  ## The tests that run a whole study, the demo, every page, or several processes.
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "whole and not slow" --jaxtyping-packages= -n auto --dist worksteal

test-oldest: .oldest/ready  ## The test suite on the oldest versions that pyproject.toml promises.
	OMP_NUM_THREADS=1 .oldest/bin/python -m pytest -n auto --dist worksteal -W ignore::DeprecationWarning

parity: .parity/ready  ## Losses, gradients and files beside other libraries, and the table of them in docs/adapters.md.
	.parity/bin/python -m pytest -m "parity or elsewhere"
	KINETO_LOG_LEVEL=99 OMP_NUM_THREADS=1 .parity/bin/python -m benchmarks.parity_measure
	.parity/bin/python -m benchmarks.parity_table

docs: .venv/ready  ## The site, warnings as errors, below docs/_build/html.
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -q -W --keep-going -j auto -b html -c docs/site . docs/_build/html
	@echo "open docs/_build/html/index.html"

release-check: $(UV)  ## Wheel and sdist into dist, looked at, and the wheel alone on every Python there is.
	.ci/release-check

check: .venv/ready  ## Lint, formatting, types, layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(UV)  ## Pin the newest versions that satisfy pyproject.toml, by their hashes.
	$(LOCK) --upgrade pyproject.toml --extra vision --extra text --extra docs --group dev --output-file requirements.lock
	$(LOCK) --upgrade --group build --output-file build.lock

clean:
	rm -rf .uv .venv .oldest .parity docs/_build docs/generated dist runs

.venv/ready: requirements.lock build.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
ifeq ($(TORCH),)
	VIRTUAL_ENV=.venv $(UV) pip install --quiet $(BYTECODE) --require-hashes --requirement requirements.lock
else
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --torch-backend $(TORCH) $$(grep -oE '^torch(vision)?==[^ ]+' requirements.lock)
	awk '/^[a-z]/ { keep = !/^($(TORCH_FILES))==/ } keep' requirements.lock > .venv/rest.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet $(BYTECODE) --no-deps --require-hashes --requirement .venv/rest.lock
endif
	VIRTUAL_ENV=.venv $(UV) pip install $(EDITABLE)
	touch $@

# Old libraries use what the newest of those below them deprecate, so such warnings are no errors there.
.oldest/ready: build.lock pyproject.toml | $(UV)
	test -x .oldest/bin/python || $(UV) venv --quiet --python 3.11 .oldest
	VIRTUAL_ENV=.oldest $(UV) pip install --quiet $(BYTECODE) --resolution lowest-direct \
		--requirement pyproject.toml --extra vision --extra text --extra parquet --group dev
	VIRTUAL_ENV=.oldest $(UV) pip install $(EDITABLE)
	touch $@

.parity/ready: requirements.lock build.lock pyproject.toml | $(UV)
	test -x .parity/bin/python || $(UV) venv --quiet --python $(PYTHON) .parity
	VIRTUAL_ENV=.parity $(UV) pip install --quiet --requirement requirements.lock --group parity
	VIRTUAL_ENV=.parity $(UV) pip install $(EDITABLE)
	touch $@

$(UV): build.lock
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement build.lock
	touch $@
