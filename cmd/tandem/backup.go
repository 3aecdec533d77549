package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"tandem/store"
)

var (
	backupCommand  = command{"FILE: copy the store, while tandem runs or not", backup}
	restoreCommand = command{"FILE: make a backup the store; tandem must not run", restore}
)

// storeFile reads the flags that both have, and their one word.
func storeFile(flags *flag.FlagSet, args []string, stderr io.Writer) (path, file string, code int, done bool) {
	flags.SetOutput(stderr)
	config := configFlag(flags)
	at := flags.String("store", "", "store `URL`, instead of the configuration's")
	if code, done := parseFlags(flags, args); done {
		return "", "", code, true
	}
	if flags.NArg() != 1 {
		fmt.Fprintf(stderr, "usage: tandem %s [--config FILE | --store URL] FILE\n", flags.Name())
		return "", "", 2, true
	}
	if *at == "" {
		cfg, code := load(*config, stderr)
		if cfg == nil {
			return "", "", code, true
		}
		*at = cfg.Store.URL
	}
	path, err := store.ParseURL(*at)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return "", "", 1, true
	}
	return path, flags.Arg(0), 0, false
}

func backup(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	path, file, code, done := storeFile(flag.NewFlagSet("backup", flag.ContinueOnError), args, stderr)
	if done {
		return code
	}
	if err := store.Backup(context.Background(), path, file); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s is a copy of %s\n", file, path)
	return 0
}

func restore(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("restore", flag.ContinueOnError)
	replace := flags.Bool("replace", false, "put the store that is there aside")
	path, file, code, done := storeFile(flags, args, stderr)
	if done {
		return code
	}
	kept, err := store.Restore(context.Background(), path, file, *replace)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s is the store now\n", path)
	if kept != "" {
		fmt.Fprintf(stdout, "what was there is %s\n", kept)
	}
	return 0
}
