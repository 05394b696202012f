# Everything that is done to this repository by hand or by a build server.
# Every target covers every module in go.work; "make help" lists them.
.POSIX:

# The Go that is installed is the Go that is used.
GO = GOTOOLCHAIN=local go
# Server and analysis are built alike, so that they share the build cache.
STATIC = CGO_ENABLED=0 GOFLAGS="$$GOFLAGS -trimpath"
# The packages of all modules, as arguments of the go command.
PACKAGES = $$($(GO) list -m -f '{{.Dir}}/...')
STATICCHECK_VERSION = v0.8.2
STATICCHECK = bin/staticcheck-$(STATICCHECK_VERSION)
NPM_PACKAGES = interop/js e2e/browser/js examples/express examples/next examples/spa clients/js
NPM_INSTALLED = $(NPM_PACKAGES:%=%/node_modules/.package-lock.json)
# Arguments of "make run" for the server, of "make test" for go test, and of
# "make bench" for the comparison.
ARGS =

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

run: build ## build the server and start it; a second one: ARGS="--issuer http://localhost:8081 --listen 127.0.0.1:8081 --admin-listen 127.0.0.1:9091 --data ./other-data"
	@exec bin/writ serve $(ARGS)

build: ## build the server as bin/writ
	@$(STATIC) $(GO) build -ldflags='-s -w' -o bin/writ ./server/cmd/writ

test: lint npm ## run every check and test; TEST_REQUIRE=node makes a missing tool a failure
	@$(GO) test -vet=off -run=Allocations ./jwk
	@$(GO) run ./internal/gotest -vet=off -timeout=20m $(ARGS) $(PACKAGES)

bench: ## compare with other libraries; ARGS="-write docs" updates docs/performance.md
	@$(GO) test -run='^$$' -bench=. -benchmem $(PACKAGES)
	@$(GO) run ./bench $(ARGS)

lint: $(STATICCHECK) ## check formatting, run go vet and staticcheck
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt does it):" >&2; echo "$$unformatted" >&2; exit 1; fi
	@$(STATIC) $(GO) vet $(PACKAGES)
	@$(STATIC) GOTOOLCHAIN=local $(STATICCHECK) $(PACKAGES)

fmt: ## format the Go code
	@gofmt -w .

tidy: ## bring every go.mod up to date
	@dirs=$$($(GO) list -m -f '{{.Dir}}') && for dir in $$dirs; do (cd "$$dir" && $(GO) mod tidy) || exit 1; done

# Where that fails, the tests that need the packages say so: they are skipped,
# or fail if TEST_REQUIRE names node.
npm: ## install the npm packages of the JavaScript tests, where npm is there
	@! command -v npm >/dev/null || $(MAKE) -s $(NPM_INSTALLED) || \
		echo "the npm packages could not be installed" >&2

interop/js/node_modules/.package-lock.json: interop/js/package-lock.json
e2e/browser/js/node_modules/.package-lock.json: e2e/browser/js/package-lock.json
examples/express/node_modules/.package-lock.json: examples/express/package-lock.json clients/js/dist/index.js
examples/next/node_modules/.package-lock.json: examples/next/package-lock.json clients/js/dist/index.js
examples/spa/node_modules/.package-lock.json: examples/spa/package-lock.json clients/js/dist/index.js
clients/js/node_modules/.package-lock.json: clients/js/package-lock.json
$(NPM_INSTALLED):
	@cd "$$(dirname $(@D))" && npm ci --no-progress --loglevel=error && touch node_modules/.package-lock.json

# The examples have a copy of what would be published.
clients/js/dist/index.js: clients/js/node_modules/.package-lock.json clients/js/src/*.ts clients/js/src/verify/*.ts
	@cd clients/js && npm run --silent build

$(STATICCHECK):
	@mkdir -p bin/build
	@$(STATIC) GOBIN="$$PWD/bin/build" $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@mv bin/build/staticcheck $@ && rmdir bin/build

.PHONY: help run build test bench lint fmt tidy npm
