.PHONY: run test check bench fuzz image

run: ## the demo
	go run ./cmd/tandem demo

test: ## everything CI runs
	./test/run

check: ## the quick half: vet and staticcheck
	go vet ./... && go tool staticcheck ./...

bench:
	go test -run '^$$' -bench . ./dtmf ./media ./store
	go run ./test/bench/calls
	go test -run '^$$' -bench Page -benchtime 1x ./test/page
	go run ./test/bench/media

fuzz: ## each target there is, for a minute or FUZZTIME, hardly any of it spent on making inputs smaller
	@grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's|/[^/]*:func | |' | sort -u | \
	while read -r folder target; do \
		echo "== $$folder $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $${FUZZTIME:-1m} -fuzzminimizetime 20x $$folder || exit 1; \
	done

image: ## a container image
	docker build --build-arg VERSION=$$(git describe --tags --always) -t tandem .
