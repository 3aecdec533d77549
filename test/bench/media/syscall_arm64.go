//go:build linux

package main

const sysSendmmsg = 269 // package syscall has it not
