# Everything a newcomer needs: `make demo`, then `make test`. `make help` lists the rest.

CARGO ?= cargo
BIN := target/release/gencode
REQUEST ?= a task manager with projects and tags

.DEFAULT_GOAL := help
.PHONY: help setup build plugins demo test lint bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install what is missing (as root on Debian), or say exactly what to install
	@plugins/toolchain/prerequisites.sh
	@plugins/toolchain/setup.sh

build: setup ## Build the host (release)
	$(CARGO) build --release --locked -p gencode

plugins: build ## Build all core plugins to components
	$(BIN) plugin build plugins

demo: plugins ## Build everything, then an application from one sentence; leaves it running
	$(BIN) --data-dir .cache/demo new "$(REQUEST)"

test: setup ## Run all tests, as CI does
	@tests/schemathesis/setup.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	# The black-box tests build the components themselves, with the binary under test.
	$(CARGO) test --release --locked --workspace
	@tests/audit-table.sh

lint: ## Formatting and lints only
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

bench: plugins ## Run the benchmarks; prints ratios measured in one run
	$(CARGO) bench --locked --profile release -p gencode-runtime --bench fresh_store -- --check
	$(CARGO) bench --locked --profile release -p gencode-store --bench durable -- --check
	$(CARGO) bench --locked --profile release -p gencode-engine --bench workflow -- --check
	$(CARGO) bench --locked --profile release -p gencode --bench surface -- --check

clean: ## Remove what was built and the demo's data
	$(CARGO) clean
	rm -rf .cache
