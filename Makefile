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

fuzz: ## each target for a minute
	go test -run '^$$' -fuzz '^FuzzEvent$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzParseInfo$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzAudio$$' -fuzztime 1m ./dtmf
	go test -run '^$$' -fuzz '^FuzzPacket$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzParseRTP$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzControl$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzParseCrypto$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzParseSDP$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzLoadWAV$$' -fuzztime 1m ./media
	go test -run '^$$' -fuzz '^FuzzReason$$' -fuzztime 1m ./sip
	go test -run '^$$' -fuzz '^FuzzNormalise$$' -fuzztime 1m ./sip
	go test -run '^$$' -fuzz '^FuzzChallenge$$' -fuzztime 1m ./sip
	go test -run '^$$' -fuzz '^FuzzParse$$' -fuzztime 1m ./bridge
	go test -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime 1m ./api
	go test -run '^$$' -fuzz '^FuzzSplitKey$$' -fuzztime 1m ./store
	go test -run '^$$' -fuzz '^FuzzRead$$' -fuzztime 1m ./config

image: ## a container image
	docker build -t tandem .
