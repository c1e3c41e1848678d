# Every word works from a fresh clone: it makes what it needs in .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SCAN   ?=
OUT    ?= demo_out

.PHONY: setup demo test check fix bench clean

setup: $(VENV)/.dev            ## everything: core, training, development

# The core alone: no torch, enough to segment.
$(VENV)/.core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,dev]'
	touch $(VENV)/.core $@

demo: $(VENV)/.core            ## SCAN=path segments that scan instead of a phantom
	$(BIN)/spinekit demo $(if $(SCAN),--scan '$(SCAN)') --out '$(OUT)' --overwrite

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.core
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) $(OUT) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
