# The front door. Meson does the work, in $(BUILD); `make help` lists the targets.
BUILD ?= build
SECONDS ?= 60
# What is installed and what is measured is built once more, optimised across files (gcc's; clang's needs
# lld). Fat objects, so that whoever links the static library need not do the same.
RELEASE ?= $(BUILD)-release
RELEASE_OPTIONS ?= $(if $(findstring clang,$(CC)),,-Db_lto=true -Dc_args=-ffat-lto-objects) -Doptimization=3 -Dtests=false -Dexamples=false
PREFIX ?= /usr/local
DESTDIR ?=
URL ?=
SEEDS ?=
CONNECTIONS ?= 100000

# As environment variables, so that a quote inside a value stays a quote.
export URL SEEDS DESTDIR CONNECTIONS

.PHONY: all help run test test-programs test-run-soak bench bench-quick bench-grid bench-run bench-many bench-fairness \
	fuzz sim sim-proof script-kernel conformance mutants check format install clean deps

all: ## build the library, the program, the examples and the tests
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)"

run: ## see a page come in over teeceepee (URL=https://… for one of yours)
	@tools/install-deps build
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet src/teeceepee
	@tools/run-demo "$(BUILD)/src/teeceepee" $${URL:+"$$URL"}

test: ## build with two compilers and with sanitizers; run every test
	@tools/install-deps build test
	@tools/run-tests --build-dir "$(BUILD)"

test-programs: ## twelve programs under `teeceepee run`, over slirp and over tap
	@tools/install-deps build test programs
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet src/teeceepee
	@tests/run/programs.py "$(BUILD)/src/teeceepee"

test-run-soak: ## CONNECTIONS=100000 through nginx under `teeceepee run`: descriptors, memory
	@tools/install-deps build test
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet src/teeceepee
	@tests/run/soak.py "$(BUILD)/src/teeceepee"

bench: ## our speed beside the kernel's, in one table
	@tools/install-deps build bench
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@ninja -C "$(RELEASE)" --quiet
	@bench/run --build "$(RELEASE)"

bench-quick: ## the same, in a minute
	@tools/install-deps build bench
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@ninja -C "$(RELEASE)" --quiet
	@bench/run --build "$(RELEASE)" --quick

bench-grid: ## ours and Linux's goodput over loss, delay, reordering and rate
	@tools/install-deps build bench
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@ninja -C "$(RELEASE)" --quiet
	@bench/run --build "$(RELEASE)" --grid

bench-run: ## what `teeceepee run` costs a program, beside slirp4netns and pasta
	@tools/install-deps build bench
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@ninja -C "$(RELEASE)" --quiet
	@bench/run --build "$(RELEASE)" --programs

bench-many: ## ten million connections in one process: memory, opened and closed a second
	@tools/install-deps build bench
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@ninja -C "$(RELEASE)" --quiet
	@bench/run --build "$(RELEASE)" --many

fuzz: ## run each fuzz target for SECONDS=60 from the committed corpus
	@tools/install-deps build test
	@fuzz/all --build-dir "$(BUILD)-fuzz" --seconds "$(SECONDS)"

sim: ## random worlds in virtual time (SEEDS=N: how many, SEEDS=A-B: which)
	@tools/install-deps build
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet
	@tests/sim/run --build "$(BUILD)" $${SEEDS:+--seeds "$$SEEDS"}

script-kernel: ## our Linux-like scripts, run against this machine's own kernel
	@tools/install-deps build
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet tests/script/kernel-script
	@"$(BUILD)/tests/script/kernel-script" --jobs=8 --tolerance_usecs=50000 tests/script/kernel tests/script/linux

bench-fairness: ## who gets how much, how long transfers take: the simulator's tables
	@tools/install-deps build
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet src/teeceepee
	@tests/sim/outcomes.py "$(BUILD)/src/teeceepee" --tables

sim-proof: ## plant bugs in the stack; the random worlds find, shrink and replay each
	@tools/install-deps build test
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet tests/sim/worlds
	@tests/mutants/prove --build "$(BUILD)"

conformance: ## write docs/conformance.md from the tests that pass
	@tools/install-deps build test
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet
	@tools/conformance --build "$(BUILD)"

mutants: ## break the stack on purpose, and see that the tests notice
	@tools/install-deps build test
	@tools/setup "$(BUILD)"
	@ninja -C "$(BUILD)" --quiet
	@tests/mutants/run --build "$(BUILD)"

check: ## format, clang-tidy, cppcheck, shellcheck
	@tools/install-deps build check
	@tools/setup "$(BUILD)"
	@tools/check --build-dir "$(BUILD)"

format: ## rewrite the C sources as .clang-format asks
	@git ls-files '*.c' '*.h' | xargs -r $$(command -v clang-format-14 || echo clang-format) -i

install: ## install under PREFIX=/usr/local (and DESTDIR=, for packagers)
	@tools/setup "$(RELEASE)" $(RELEASE_OPTIONS)
	@meson configure "$(RELEASE)" -Dprefix="$(abspath $(PREFIX))"
	@ninja -C "$(RELEASE)" --quiet
	@meson install -C "$(RELEASE)" --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig || true; fi

deps: ## install what building, testing, checking and measuring need
	@tools/install-deps build test check bench

clean: ## remove what was built
	@rm -rf "$(BUILD)" "$(BUILD)-sanitize" "$(BUILD)-fuzz" "$(RELEASE)"

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done
