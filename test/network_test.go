package test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	here  = netip.MustParseAddrPort("10.0.0.1:5060")
	there = netip.MustParseAddrPort("10.0.0.2:5060")
)

func (n *Network) mustListen(t *testing.T, at netip.AddrPort) *Conn {
	t.Helper()
	c, err := n.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// received is what a socket got: numbers, and how long each took.
type received struct {
	numbers []uint32
	after   []time.Duration
}

// across sends numbers, one a millisecond, and says what came of it.
func across(t *testing.T, seed uint64, path Path, count int) (got received) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(seed)
		n.Route = func(netip.AddrPort, netip.AddrPort) Path { return path }
		from, to := n.mustListen(t, here), n.mustListen(t, there)
		sent := make([]time.Time, count)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 100)
			for {
				size, source, err := to.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				if size != 4 || source != here {
					t.Errorf("%d octets from %v", size, source)
				}
				number := binary.BigEndian.Uint32(b)
				got.numbers = append(got.numbers, number)
				got.after = append(got.after, time.Since(sent[number]))
			}
		}()
		for i := range count {
			sent[i] = time.Now()
			if _, err := from.WriteToUDPAddrPort(binary.BigEndian.AppendUint32(nil, uint32(i)), there); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Millisecond)
		}
		<-time.After(time.Second)
		_ = to.Close()
		<-done
		if n.Open() != 1 {
			t.Errorf("%d sockets open", n.Open())
		}
	})
	return got
}

func TestNetworkKeepsItsDelayAndOrder(t *testing.T) {
	got := across(t, 1, Path{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, 1000)
	if !slices.IsSorted(got.numbers) || len(got.numbers) != 1000 {
		t.Errorf("%d came, in order: %v", len(got.numbers), slices.IsSorted(got.numbers))
	}
	if low, high := slices.Min(got.after), slices.Max(got.after); low < 20*time.Millisecond || high > 30*time.Millisecond || high-low < 8*time.Millisecond {
		t.Errorf("took %v to %v", low, high)
	}
}

func TestNetworkLosesDoublesAndReordersByItsSeed(t *testing.T) {
	path := Path{Delay: 20 * time.Millisecond, Loss: 0.3, Duplicate: 0.1, Reorder: 0.1}
	got := across(t, 7, path, 10000)
	seen := make(map[uint32]int)
	swapped := 0
	for i, number := range got.numbers {
		seen[number]++
		if i > 0 && number < got.numbers[i-1] {
			swapped++
		}
	}
	if share := 1 - float64(len(seen))/10000; share < 0.28 || share > 0.32 {
		t.Errorf("%.3f lost", share)
	}
	if share := float64(len(got.numbers)-len(seen)) / float64(len(seen)); share < 0.08 || share > 0.12 {
		t.Errorf("%.3f doubled", share)
	}
	if swapped < 500 {
		t.Errorf("%d out of order", swapped)
	}
	if again := across(t, 7, path, 10000); !slices.Equal(again.numbers, got.numbers) || !slices.Equal(again.after, got.after) {
		t.Error("the same seed did something else")
	}
	if other := across(t, 8, path, 10000); slices.Equal(other.numbers, got.numbers) {
		t.Error("another seed did the same")
	}
}

func TestNATLetsInOnlyWhoWasSentTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		home, public := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("203.0.113.7")
		nat := n.NAT(home, public, time.Minute)
		phone := n.mustListen(t, netip.AddrPortFrom(home, 4000))
		server, stranger := n.mustListen(t, here), n.mustListen(t, there)
		read := func(c *Conn) (string, netip.AddrPort) {
			type datagram struct {
				text string
				from netip.AddrPort
			}
			got := make(chan datagram, 1)
			go func() {
				b := make([]byte, 100)
				size, from, err := c.ReadFromUDPAddrPort(b)
				if err == nil {
					got <- datagram{string(b[:size]), from}
				}
			}()
			select {
			case d := <-got:
				return d.text, d.from
			case <-time.After(time.Second):
				_ = c.Close()
				return "", netip.AddrPort{}
			}
		}
		write := func(c *Conn, text string, to netip.AddrPort) {
			if _, err := c.WriteToUDPAddrPort([]byte(text), to); err != nil {
				t.Fatal(err)
			}
		}
		write(phone, "hello", here)
		text, from := read(server)
		if text != "hello" || from.Addr() != public || from.Port() == 4000 {
			t.Fatalf("the server read %q from %v", text, from)
		}
		write(stranger, "let me in", from)
		write(stranger, "let me in", netip.AddrPortFrom(home, 4000))
		write(server, "welcome", from)
		if text, source := read(phone); text != "welcome" || source != here {
			t.Errorf("the phone read %q from %v", text, source)
		}
		n.Rebind(nat)
		write(server, "still there?", from)
		write(phone, "again", here)
		if _, moved := read(server); moved == from {
			t.Error("the binding did not change")
		}
		<-time.After(2 * time.Minute)
		write(server, "too late", from)
		if text, _ := read(phone); text != "" {
			t.Errorf("the phone read %q through a closed binding", text)
		}
	})
}
