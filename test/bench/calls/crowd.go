package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// crowd is many listeners in a process of its own, which gives way to all others: so
// that what they cost tandem is seen, and not what they take of its cores.
type crowd struct {
	cmd   *exec.Cmd
	stays io.Closer // they go when it is closed
	hooks string    // where webhooks go
}

// keyVariable tells the process of a crowd the API key.
const keyVariable = "BENCH_KEY"

func (b *apiBench) crowd() (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &crowd{cmd: exec.Command("nice", "-n", "19", self, "-crowd", b.url)}
	c.cmd.Env = append(os.Environ(), keyVariable+"="+b.key)
	c.cmd.Stderr = os.Stderr
	stays, errIn := c.cmd.StdinPipe()
	says, errOut := c.cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	c.stays = stays
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	at, err := bufio.NewReader(says).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("crowd: %w", err), c.close())
	}
	c.hooks = strings.TrimSpace(at)
	return c, nil
}

func (c *crowd) close() error { return errors.Join(c.stays.Close(), c.cmd.Wait()) }

// runCrowd is that process: it follows all streams, says where its webhooks go, and
// listens until nobody wants it any more.
func runCrowd(url string) error {
	l, at, err := listen(&process{url: url, key: os.Getenv(keyVariable)}, func(moment) {})
	if err != nil {
		return err
	}
	for range manyStreams {
		err = errors.Join(err, l.stream())
	}
	if err == nil {
		fmt.Println(at)
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return errors.Join(err, l.close())
}
