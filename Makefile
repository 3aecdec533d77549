.PHONY: test check bench fuzz

test: ## everything CI runs
	./test/run

check: ## the quick half: vet and staticcheck
	go vet ./... && go tool staticcheck ./...

bench:
	go test -run '^$$' -bench . ./dtmf

fuzz: ## each target for a minute
	go test -run '^$$' -fuzz '^FuzzEvent$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzParseInfo$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzAudio$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzNormalise$$' -fuzztime 1m ./sip
	go test -run '^$$' -fuzz '^FuzzChallenge$$' -fuzztime 1m ./sip
