PYTHON ?= python3
STACK := $(PYTHON) infra/scripts/stack.py

# Only as it is given to make: some shells have an ENV of their own.
ifneq ($(origin ENV),command line)
ENV :=
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run watch build admin rotate-keys test test-stacks conformance canaries documents lint fmt validate audit check bootstraps deploy destroy model bench load-model soak faults contract screenshots coverage fuzz clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start everything on this machine: Postgres, Redis, functions, gateway; Ctrl-C stops it
	@$(STACK) run

watch: ## The same with cargo lambda watch: edited functions are reloaded
	@$(STACK) watch

build: ## Build the functions, the gateway and the load generator
	@cargo build --release --workspace --bins

admin: ## Make EMAIL an admin of the stack that runs, or of ENV on AWS; asks for a password when there is no such account
	@$(STACK) admin -- "$(EMAIL)" "$(ENV)"

rotate-keys: ## Sign access tokens by a new key from the next run on; those of the keys before stay good
	@$(STACK) rotate-keys

test: ## Run all tests on stores of their own; TEST_ARGS are cargo test's
	@$(STACK) test -- $(TEST_ARGS)

test-stacks: ## Run only the tests of the stack in AWS; TEST_ARGS are unittest's names of some of them
	@$(STACK) test-stacks -- $(TEST_ARGS)

conformance: ## Hold the gateway, or the endpoint TARGET, against what is known of API Gateway and Lambda; TEST_ARGS
	@$(if $(TARGET),CONFORMANCE_TARGET="$(TARGET)") $(STACK) conformance -- $(TEST_ARGS)

canaries: ## Look for secrets in the logs of the last `make test`
	@$(PYTHON) infra/scripts/canaries.py

documents: ## Write the API's documents anew from the code's types, into functions/web/documents
	@cargo run --release --quiet --bin documents

lint: ## Check formatting, lints and documentation; every warning is an error
	@cargo fmt --all --check && cargo clippy --release --workspace --all-targets -- -D warnings && RUSTDOCFLAGS=-Dwarnings cargo doc --release --workspace --no-deps

fmt: ## Format the code
	@cargo fmt --all

validate: ## Check the templates, the workflows and compose files, and the documents with the tools made for each
	@$(STACK) validate

audit: ## Hold the dependencies against deny.toml; AUDIT_ARGS=advisories asks for known holes instead
	@$(STACK) audit -- $(AUDIT_ARGS)

check: test canaries lint audit validate contract ## All that CI runs
	@TEST_MODE=strict $(STACK) test -- $(TEST_ARGS)

model: ## Search the randomised model of the protocol for violations; MODEL_ARGS as it says itself
	@$(PYTHON) tests/model/send_protocol.py $(MODEL_ARGS)

bench: ## Measure throughput and latency; BENCH_ARGS are the load generator's
	@$(STACK) bench -- $(BENCH_ARGS)

load-model: ## Print what the stack on AWS costs and bears; LOAD_MODEL_ARGS=--write renews DEPLOYMENT.md, --check checks it
	@$(PYTHON) infra/scripts/load_model.py $(LOAD_MODEL_ARGS)

soak: ## Send 200,000 messages while connections drop and people come and go, and check every promise; SOAK_ARGS
	@$(STACK) soak -- $(SOAK_ARGS)

faults: ## The same while functions and stores are killed, stopped, paused and rewound; FAULTS_ARGS
	@$(STACK) faults -- $(FAULTS_ARGS)

contract: ## Ask every operation of the HTTP API what its document allows and what not; CONTRACT_ARGS are schemathesis'
	@$(STACK) contract -- $(CONTRACT_ARGS)

screenshots: ## Take the pictures of the web client anew, into functions/web/screenshots
	@$(STACK) screenshots

coverage: ## Report which lines the tests run, those run by the functions' processes included
	@$(STACK) coverage -- $(TEST_ARGS)

fuzz: ## Feed the gateway a million random inputs of each kind; FUZZ_ARGS is another number
	@FUZZ_INPUTS=$(or $(FUZZ_ARGS),1000000) cargo test --release -p gateway --bin gateway fuzz -- --nocapture

bootstraps: ## Build the functions for Lambda, and list their sizes; ARCHITECTURE is arm64 or x86_64
	@$(STACK) bootstraps -- "$(ARCHITECTURE)"

deploy: ## Deploy to AWS what ENV is in samconfig.toml: default, small, production or one of your own
	@$(STACK) deploy -- "$(ENV)"

destroy: ## Delete ENV from AWS, after asking for its name; DELETE_DATA=yes answers the question about the data
	@$(STACK) destroy -- "$(ENV)" $(if $(filter yes,$(DELETE_DATA)),--delete-data)

clean: ## Remove what was built and all local data
	@$(STACK) clean
