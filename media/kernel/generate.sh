#!/bin/sh
# Compiles relay.c and writes its bindings. Needs clang and libbpf's headers
# (Debian: clang llvm libbpf-dev). The object carries the hash of its source.
set -eu
include=$(dirname "$(find /usr/include -path '*/asm/types.h' | head -n 1)")/..
GOPACKAGE=kernel go tool bpf2go -go-package kernel -target bpfel -tags linux -type flow -type key -type way \
	relay relay.c -- -O2 -mcpu=v3 -Wall -Werror -I"$include" \
	-DSOURCE="\"$(sha256sum relay.c | cut -c1-64)\""
