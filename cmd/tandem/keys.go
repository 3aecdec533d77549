package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tandem/config"
	"tandem/store"
)

var keysCommand = command{"create | list | rotate | revoke API keys", keys}

const keysUsage = "usage: tandem keys create --name NAME --scopes A,B [--expires 90d] [--cidr NETWORK,…] [--test] | list | rotate ID | revoke ID"

func keys(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if wantsHelp(args) {
		fmt.Fprintln(stdout, keysUsage)
		return 0
	}
	if len(args) == 0 || !slices.Contains([]string{"create", "list", "rotate", "revoke"}, args[0]) {
		fmt.Fprintln(stderr, keysUsage)
		return 2
	}
	flags := flag.NewFlagSet("keys "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := configFlag(flags)
	at := flags.String("store", "", "store `URL`, instead of the configuration's")
	asJSON := flags.Bool("json", false, "as JSON")
	name := flags.String("name", "", "what the key is for")
	scopes := flags.String("scopes", "calls:write,calls:read,calls:any_rep,events:read", "what it may do")
	var expires time.Duration
	flags.Func("expires", "how long it is valid, e.g. 90d or 12h; for ever where it is not said", func(text string) (err error) {
		expires, err = config.Duration(text)
		return err
	})
	test := flags.Bool("test", false, "a test key: its calls go to a simulated trunk, and see nothing of the live ones")
	cidrs := flags.String("cidr", "", "networks it may be used from; empty = anywhere")
	if code, done := parseFlags(flags, args[1:]); done {
		return code
	}
	if *at == "" {
		cfg, code := load(*file, stderr)
		if cfg == nil {
			return code
		}
		*at = cfg.Store.URL
	}
	ctx := context.Background()
	s, err := openStore(ctx, *at)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	defer s.Close()
	switch args[0] {
	case "create":
		k := store.Key{Name: *name, Test: *test, Scopes: strings.Split(*scopes, ",")}
		if expires > 0 {
			k.ExpiresAt = time.Now().Add(expires)
		}
		err = createKey(ctx, s, k, *cidrs, *asJSON, stdout)
	case "list":
		err = listKeys(ctx, s, *asJSON, stdout)
	case "rotate":
		var key store.Key
		var plain string
		if key, plain, err = s.RotateKey(ctx, flags.Arg(0), rotateOverlap); err == nil {
			err = showKey(key, plain, *asJSON, stdout)
		}
	case "revoke":
		if err = s.RevokeKey(ctx, flags.Arg(0)); err == nil && *asJSON {
			err = json.NewEncoder(stdout).Encode(map[string]string{"id": flags.Arg(0), "state": "revoked"})
		} else if err == nil {
			fmt.Fprintln(stdout, "revoked")
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return 0
}

func openStore(ctx context.Context, at string) (*store.Store, error) {
	path, err := store.ParseURL(at)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{Path: path})
}

func createKey(ctx context.Context, s *store.Store, k store.Key, cidrs string, asJSON bool, out io.Writer) error {
	for text := range strings.SplitSeq(cidrs, ",") {
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("--cidr: %w", err)
		}
		k.CIDRs = append(k.CIDRs, network)
	}
	key, plain, err := s.CreateKey(ctx, k)
	if err != nil {
		return err
	}
	return showKey(key, plain, asJSON, out)
}

// rotateOverlap is how long a key that was rotated goes on.
const rotateOverlap = 24 * time.Hour

// showKey shows a key this once.
func showKey(key store.Key, plain string, asJSON bool, out io.Writer) error {
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			store.Key
			Secret string `json:"key"`
		}{key, plain})
	}
	fmt.Fprintf(out, "%s\nIt is shown once. Scopes: %s\n", plain, strings.Join(key.Scopes, " "))
	return nil
}

func listKeys(ctx context.Context, s *store.Store, asJSON bool, out io.Writer) error {
	all, err := s.Keys(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(out).Encode(all)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSCOPES\tLAST USED\tSTATE")
	for _, k := range all {
		state, used := "valid", "never"
		if k.Test {
			state = "valid, test"
		}
		switch {
		case !k.RevokedAt.IsZero():
			state = "revoked"
		case !k.ExpiresAt.IsZero() && time.Now().After(k.ExpiresAt):
			state = "expired"
		}
		if !k.LastUsedAt.IsZero() {
			used = k.LastUsedAt.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, strings.Join(k.Scopes, " "), used, state)
	}
	return w.Flush()
}
