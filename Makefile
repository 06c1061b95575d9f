# What people do here. Everything works on a fresh clone; `make test` installs
# what it lacks from Debian's packages and npm.

BIN     := bin/valetkey
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED ?= 0

# What shares memory between requests. Pages and tools don't.
RACED   := ./oauth ./internal/endpoint ./internal/fetch ./internal/keys ./internal/login ./internal/mail ./internal/metrics \
           ./internal/secret ./internal/store ./internal/trace ./internal/upstream

# What judges times under a load of its own runs by itself.
ALONE   := ^(TestSignInFlood|TestStreamFloods)$$

.PHONY: build run dev check lint unit test deps bench soak specs clean

build:
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/valetkey

# The server, an app and an API in one process, nothing on disk.
run: build
	$(BIN) demo

# The demo again at each change of a Go file; templates are read at each request.
dev:
	go run ./internal/watch

# The quick loop.
check: build lint unit
	go vet ./...

unit:
	go test -short $$(go list ./... | grep -v /test/)

lint:
	go tool -modfile=tools/go.mod golangci-lint run ./...

# Everything, with real parts. TEST_SKIP=postgres,browser,node,apache,python,ldap leaves some out and says so.
test: build deps lint
	go vet ./...
	go test -p 3 -timeout 20m -skip '$(ALONE)' ./...  # a browser mostly waits
	go test -timeout 20m -run '$(ALONE)' ./test/faults
	CGO_ENABLED=1 go test -race -short -timeout 20m $(RACED)
	@if [ -n "$$TEST_SKIP" ]; then echo "LEFT OUT: $$TEST_SKIP"; fi

deps:
	./test/deps.sh

bench:
	go run ./internal/loadgen/bench

# The mixed load for an hour, or for as long as SOAK says, on each database.
soak:
	FAULTS=long go test -timeout 26h ./test/faults -run TestSoak -v

# docs/specs.md from the sections that comments name.
specs:
	go run ./internal/specs

clean:
	rm -rf bin
