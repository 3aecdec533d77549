//go:build linux

package main

const sysSendmmsg = 307 // package syscall has it not
