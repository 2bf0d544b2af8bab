# The commands of the project. `make help` lists them.
SHELL := /bin/bash
GO    ?= go
export CGO_ENABLED := 0

PRODUCT    := bin/tierwall
STANDALONE := bin/tierwall-standalone
LABHOST    := bin/tierwall-labhost
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X github.com/tierwall/tierwall/cli.Version=$(VERSION)
LINTER     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-ui e2e lint generate verify bench FORCE

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the kernel tests and the lab need from the system (Debian, as root)
	@test/setup.sh

build: $(PRODUCT) $(LABHOST) $(STANDALONE) ## bin/tierwall and bin/tierwall-standalone

$(PRODUCT): FORCE
	@echo "building $@" >&2
	@$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/tierwall

$(LABHOST): FORCE
	@$(GO) build -ldflags '-s -w' -o $@ ./cmd/tierwall-labhost

$(STANDALONE): FORCE
	@echo "building $@ (it contains a Kubernetes API server: minutes the first time, seconds after that)" >&2
	@cd standalone && $(GO) build -ldflags '$(LDFLAGS)' -o ../$@ ./cmd/tierwall-standalone

demo: setup build ## the tutorial's cluster as a lab on this machine; Ctrl-C takes it down
	@$(STANDALONE) demo

test: setup build ## every test: units, laws, oracle = tables = kernel, the tutorial on real packets
	$(GO) test ./...
	cd standalone && $(GO) test -timeout 20m ./...
	$(PRODUCT) test test/conformance
	$(STANDALONE) test test/conformance/[0-9]*.yaml

test-ui: ## the browser tests (the Manager is not built yet: there are none)
	@echo "the Manager is not built yet, so there are no browser tests" >&2; exit 1

e2e: ## tests on a real cluster (not written yet)
	@echo "the tests on a real cluster are not written yet" >&2; exit 1

bench: ## the benchmarks, as a table and as bench.json; ONLY=REGEX for some
	@$(GO) run ./test/bench -only '$(ONLY)' -o bench.json

lint: ## static checks
	$(GO) vet ./...
	cd standalone && $(GO) vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these" >&2; exit 1; }
	CGO_ENABLED=0 $(GO) run $(LINTER) run ./...

generate: ## deep copies and CRDs from the Go types, the API of the Manager from its document
	tools/generate.sh

verify: generate ## fail if what is generated is not current, or a go.mod is not tidy
	$(GO) mod tidy -diff
	git diff --exit-code -- api server/manager

FORCE:
