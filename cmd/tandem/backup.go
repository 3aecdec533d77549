package main

import (
	"context"
	"encoding/json"
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
func storeFile(flags *flag.FlagSet, args []string, stderr io.Writer) (path, file string, asJSON bool, code int, done bool) {
	flags.SetOutput(stderr)
	config := configFlag(flags)
	told := flags.Bool("json", false, "as JSON")
	at := flags.String("store", "", "store `URL`, instead of the configuration's")
	if code, done := parseFlags(flags, args); done {
		return "", "", false, code, true
	}
	if flags.NArg() != 1 {
		fmt.Fprintf(stderr, "usage: tandem %s [--config FILE | --store URL] FILE\n", flags.Name())
		return "", "", false, 2, true
	}
	if *at == "" {
		cfg, code := load(*config, stderr)
		if cfg == nil {
			return "", "", false, code, true
		}
		*at = cfg.Store.URL
	}
	path, err := store.ParseURL(*at)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return "", "", false, 1, true
	}
	return path, flags.Arg(0), *told, 0, false
}

// said prints what was done as JSON.
func said(w io.Writer, done map[string]string) int {
	if err := json.NewEncoder(w).Encode(done); err != nil {
		return 1
	}
	return 0
}

func backup(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	path, file, asJSON, code, done := storeFile(flag.NewFlagSet("backup", flag.ContinueOnError), args, stderr)
	if done {
		return code
	}
	if err := store.Backup(context.Background(), path, file); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if asJSON {
		return said(stdout, map[string]string{"backup": file, "store": path})
	}
	fmt.Fprintf(stdout, "%s is a copy of %s\n", file, path)
	return 0
}

func restore(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("restore", flag.ContinueOnError)
	replace := flags.Bool("replace", false, "put the store that is there aside")
	path, file, asJSON, code, done := storeFile(flags, args, stderr)
	if done {
		return code
	}
	kept, err := store.Restore(context.Background(), path, file, *replace)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if asJSON {
		return said(stdout, map[string]string{"backup": file, "store": path, "kept": kept})
	}
	fmt.Fprintf(stdout, "%s is the store now\n", path)
	if kept != "" {
		fmt.Fprintf(stdout, "what was there is %s\n", kept)
	}
	return 0
}
