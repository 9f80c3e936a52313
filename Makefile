# Everything that can be done here; `make help` lists it. Targets that run nodes need root on Linux with btrfs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# Where a demo keeps its data, and where tests and demos find the engine.
export TINE_DATA_DIR ?= /var/lib/tine
export TINE_ENGINE_DIR ?= /var/lib/tine/engine

# Linters have a module file of their own: what they are made of is no dependency of Tine.
TOOL := go tool -modfile=tools/go.mod

.PHONY: build
build: ## Build bin/tine
	go build -o bin/ ./cmd/tine

.PHONY: deps
deps: ## Install the Debian packages that this machine lacks
	@scripts/deps.sh

.PHONY: engine
engine: deps build ## Install the engine, once (about a minute)
	@bin/tine engine install

.PHONY: demo
demo: engine ## Run the main job for real: lose data, fork the moment before; leaves Tine running
	@scripts/service.sh start
	@go run ./demo

.PHONY: demo-stop
demo-stop: ## Stop what make demo left running; the data stays
	@scripts/service.sh stop

.PHONY: test
test: engine ## Run the linters and every test, and leave nothing behind
	@scripts/test.sh

.PHONY: race
race: engine ## As test, with the race detector, which needs gcc and several times as long
	@scripts/test.sh -race

.PHONY: race-api
race-api: engine ## 200 requests at once, with the race detector in the test and in tine up
	@go test -race -count=1 -v -run '^TestManyRequestsAtOnce$$' ./e2e/api

.PHONY: clients
clients: engine ## Build doctl, OpenTofu, DigitalOcean's provider and MongoDB's Database Tools (minutes, once), and test Tine through them
	$(TOOL) golangci-lint run --build-tags doclients,mongotools ./e2e/doclients ./e2e/mongotools
	@scripts/doclients.sh
	@scripts/mongotools.sh
	go test -count=1 -timeout 20m -tags doclients,mongotools ./e2e/doclients ./e2e/mongotools

.PHONY: soak
soak: engine ## Up to 1,000 forks of a busy cluster in 10 minutes, each compared with what it must hold
	go test -tags soak -timeout 30m -count 1 -v ./e2e/soak

.PHONY: lint
lint: ## Run the linters alone
	go vet ./...
	go vet -tags doclients,mongotools,soak ./e2e/doclients ./e2e/mongotools ./e2e/soak
	$(TOOL) golangci-lint run

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) golangci-lint fmt

.PHONY: bench
bench: engine ## Print the benchmark tables
	@bin/tine bench

.PHONY: screenshots
screenshots: engine ## Make pictures of every page of the control panel, in bin/screenshots
	@scripts/deps.sh clients
	@go run ./e2e/screenshots bin/screenshots

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
