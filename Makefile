# make install · run · lab · test          (needs Python 3.11–3.13 with venv; makes its own .venv)
#   make run DATA=folder                   the same on your own labelled scans
#   make run TORCH_INDEX=address           torch from another index, the smaller CPU build for one
#   make run ARGS="--roi.epochs 30"       anything that `liverlib run --help` lists

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip install --disable-pip-version-check --quiet
TORCH   = $(shell grep '^torch==' requirements.lock)

.PHONY: install run lab test notebooks site fuzz test-colab weights address clean

install: $(VENV)/.ready

run: $(VENV)/.ready
	$(BIN)/liverlib run $(if $(DATA),--data "$(DATA)") $(if $(RUN),--run "$(RUN)") $(ARGS)

lab: $(VENV)/.ready
	$(BIN)/jupyter lab notebooks

test: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope
	LIVERLIB_FAST=1 LIVERLIB_HOME=$$(mktemp -d) $(BIN)/python -m pytest --nbval-lax \
		--nbval-current-env --nbval-cell-timeout=600 notebooks

# Damaged scans and labels, damaged DICOM series, and command lines: each right, or refused, or
# listed. Some minutes; fewer with make fuzz FILES=200 SERIES=100 COMMANDS=50.
FILES  ?= 20000
SERIES ?= 10000
COMMANDS  ?= 5000
fuzz: $(VENV)/.ready-dev
	$(BIN)/python tests/support/fuzz.py $(FILES)
	$(BIN)/python tests/support/dicom_fuzz.py $(SERIES)
	$(BIN)/python tests/support/fuzz_commands.py $(COMMANDS)

# Runs every notebook at full length and keeps its outputs, for those who read them on a web page.
notebooks: $(VENV)/.ready-dev
	$(BIN)/python tests/support/keep_outputs.py notebooks/*.ipynb

# Pages of all that is written here, and a gallery in which the slice browser runs.
site: $(VENV)/.ready-dev
	$(BIN)/python docs/site/build.py results/site
	@echo "look at it: $(BIN)/python -m http.server -b 127.0.0.1 -d results/site"

# The weights in liverlib/weights: from nothing (minutes on a GPU, most of a day on two cores), then
# gently on (an hour on two cores); at last it is chosen how readily a voxel is called tumour.
TRAIN = OMP_NUM_THREADS=1 $(BIN)/liverlib train
weights: $(VENV)/.ready
	$(TRAIN) --preset pretrain --run pretrain
	$(TRAIN) --preset finetune --run finetune --init results/pretrain/weights.safetensors
	$(BIN)/python benchmarks/weights/calibrate.py results/pretrain/weights.safetensors \
		--then results/finetune -o liverlib/weights/pretrained.safetensors
	$(BIN)/python benchmarks/weights/quality.py

# The project's one address: links, badges, start cells, citation. make address URL= takes it away.
address:
	@$(PYTHON) tests/support/address.py "$(URL)"

# The notebooks as in Colab: the versions it ships of what differs most, neither liverlib nor what
# Colab lacks installed, alone in an empty folder, the project (its last commit) behind a git URL.
test-colab: $(VENV)-colab/.ready
	folder=$$(mktemp -d) && cp notebooks/*.ipynb $$folder && cd $$folder && LIVERLIB_FAST=1 \
		LIVERLIB_PROJECT="file://$(CURDIR)" PYTHONPATH="$(CURDIR)/tests/support/colab" \
		"$(abspath $(VENV))-colab/bin/python" -m pytest -q --nbval-lax --nbval-current-env \
		--nbval-cell-timeout=600 $$folder && rm -rf $$folder

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "$(PYTHON) is not 3.11, 3.12 or 3.13: name another with make PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "No venv: sudo apt-get install -y python3-venv"; exit 1; }

$(VENV)/.ready: $(BIN)/python pyproject.toml requirements.lock
	@echo "installing into $(VENV) …"
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) -c requirements.lock -e ".[notebooks]"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) -c requirements.lock -e ".[notebooks,dicom,formats,onnx,tensorboard,completion,site,dev]"
	@touch $@

COLAB = numpy==2.1.* nibabel==5.4.* ipywidgets==7.7.1 ipython==7.34.0 ipykernel==6.17.1 \
	traitlets==5.7.1
$(VENV)-colab/.ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)-colab
	$(VENV)-colab/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(VENV)-colab/bin/python -m pip install --quiet -e . nbval pytest $(COLAB)
	$(VENV)-colab/bin/python -m pip uninstall --quiet --yes liverlib isal
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-colab data/phantoms data/cubes
