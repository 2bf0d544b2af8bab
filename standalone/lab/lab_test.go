package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tierwall/tierwall/labhost"
	"golang.org/x/sys/unix"
)

// TestMain makes the test's executable the lab's helper too, and the process
// that the crash test kills.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == HostArg {
		os.Exit(ServeHost(context.Background(), os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) == 3 && os.Args[1] == "hold-lab" {
		holdLab(os.Args[2])
	}
	unlock := oneAtATime()
	code := m.Run()
	unlock()
	os.Exit(code)
}

const testLab = "labtest"

// oneAtATime waits for other runs of these tests on this machine: they use the
// same namespaces.
func oneAtATime() (unlock func()) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "tierwall-labtest.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return func() {} // the tests will say what is wrong
	}
	unix.Flock(int(f.Fd()), unix.LOCK_EX)
	return func() { f.Close() }
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root, and this test runs as user", os.Geteuid())
	}
}

func options(t testing.TB) Options { return Options{RunDir: t.TempDir()} }

var web = []Port{{labhost.TCP, 80}, {labhost.UDP, 53}}

func testSpec(name string) Spec {
	return Spec{
		Name:  name,
		Nodes: []Node{{Name: "node-1", Ports: web}, {Name: "node-2", Addrs: []netip.Addr{netip.MustParseAddr("192.168.77.2")}}},
		Pods: []Pod{
			{Namespace: "blue", Name: "be-1", Node: "node-1", Ports: web},
			{Namespace: "blue", Name: "fe-1", Node: "node-1"},
			{Namespace: "red", Name: "fe-1", Node: "node-2", Ports: web},
			{Namespace: "red", Name: "stray", Node: "node-2", Addrs: []netip.Addr{netip.MustParseAddr("10.9.8.7")}, Ports: web},
		},
		Externals: []External{
			{Name: "db", Ports: web},
			{Name: "dns", Addrs: []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:4860:4860::8888")}, Ports: web},
		},
	}
}

func newLab(t *testing.T, spec Spec) *Lab {
	t.Helper()
	needRoot(t)
	l, err := New(t.Context(), spec, options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error("close:", err)
		}
		if left := namespaces(t, spec.Name); len(left) > 0 {
			t.Error("left behind:", left)
		}
	})
	return l
}

func namespaces(t *testing.T, lab string) []string {
	t.Helper()
	found, err := filepath.Glob(netnsPath(namePrefix(lab) + "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func host(t *testing.T, l *Lab, ref string) *Host {
	t.Helper()
	h, err := l.Host(ref)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestEverybodyReachesEverybody: without policy, all hosts reach all servers on
// all addresses, and each server sees the address that the client has.
func TestEverybodyReachesEverybody(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	servers := []string{"blue/be-1", "red/fe-1", "red/stray", "node:node-1", "ext:db", "ext:dns"}
	var wg sync.WaitGroup
	for _, from := range l.Refs() {
		client := host(t, l, from)
		for _, to := range servers {
			for _, addr := range l.Addrs(to) {
				if !sameFamily(l.Addrs(from), addr).IsValid() {
					continue // red/stray has no IPv6
				}
				wg.Go(func() { everyProto(t, l, client, to, addr) })
			}
		}
	}
	wg.Wait()
}

func everyProto(t *testing.T, l *Lab, client *Host, to string, addr netip.Addr) {
	for proto, port := range map[labhost.Proto]uint16{labhost.TCP: 80, labhost.UDP: 53, labhost.ICMP: 0} {
		r, err := client.Dial(t.Context(), DialSpec{Proto: proto, Addr: addr, Port: port, Timeout: 3 * time.Second})
		if err != nil {
			t.Error(err)
			continue
		}
		want := to
		if proto == labhost.ICMP {
			want = ""
		}
		if !r.Connected() || r.By != want {
			t.Errorf("%s to %s at %s on %s: %+v", client.Ref(), to, addr, proto, r)
		}
		if self := sameFamily(l.Addrs(client.Ref()), addr); proto != labhost.ICMP && r.Seen.Addr() != self {
			t.Errorf("%s to %s at %s on %s: seen as %s, is %s", client.Ref(), to, addr, proto, r.Seen, self)
		}
	}
}

func TestAddressPlan(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	for ref, want := range map[string]string{
		"node:node-1": "[172.30.0.11 fd00:172:30::11]",
		"node:node-2": "[192.168.77.2 fd00:172:30::12]",
		"ext:db":      "[172.30.0.100 fd00:172:30::100]",
		"ext:dns":     "[8.8.8.8 2001:4860:4860::8888]",
		"blue/be-1":   "[10.244.1.2 fd00:244:1::2]",
		"blue/fe-1":   "[10.244.1.3 fd00:244:1::3]",
		"red/fe-1":    "[10.244.2.2 fd00:244:2::2]",
		"red/stray":   "[10.9.8.7]",
		"no/body":     "[]",
	} {
		if got := fmt.Sprint(l.Addrs(ref)); got != want {
			t.Errorf("%s has %s, want %s", ref, got, want)
		}
	}
}

func TestPodsComeAndGo(t *testing.T) {
	l := newLab(t, Spec{Name: testLab, Nodes: []Node{{Name: "a"}, {Name: "b"}}})
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			p := Pod{Namespace: "n", Name: fmt.Sprint("p", i), Node: []string{"a", "b"}[i%2], Ports: web}
			if i == 0 {
				p.Addrs = []netip.Addr{netip.MustParseAddr("10.1.1.1")}
			}
			if err := l.AddPod(ctx, p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	client := host(t, l, "node:a")
	for i := range 12 {
		ref := fmt.Sprint("n/p", i)
		addr := l.Addrs(ref)[0]
		dial := DialSpec{Proto: labhost.TCP, Addr: addr, Port: 80}
		wg.Go(func() {
			if r, err := client.Dial(ctx, dial); err != nil || r.By != ref {
				t.Errorf("%s before: %+v, %v", ref, r, err)
			}
			if err := l.RemovePod(ctx, "n", fmt.Sprint("p", i)); err != nil {
				t.Error(err)
			}
			if r, err := client.Dial(ctx, dial); err != nil || r.Connected() {
				t.Errorf("%s after: %+v, %v", ref, r, err)
			}
		})
	}
	wg.Wait()
	if refs := l.Refs(); len(refs) != 2 {
		t.Errorf("hosts %v, want the nodes", refs)
	}
	if err := l.RemovePod(ctx, "n", "p1"); err == nil {
		t.Error("removed twice without an error")
	}
	if err := l.AddPod(ctx, Pod{Namespace: "n", Name: "again", Node: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := l.AddPod(ctx, Pod{Namespace: "n", Name: "heir", Node: "b", Addrs: []netip.Addr{netip.MustParseAddr("10.1.1.1")}}); err != nil {
		t.Error("the address of a pod that is gone is not free:", err)
	}
	if got := l.Addrs("n/again")[0]; got.Compare(netip.MustParseAddr("10.244.1.7")) < 0 {
		t.Errorf("address %s was given again at once", got)
	}
}

func TestRefusedPods(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	for want, p := range map[string]Pod{
		"is there already":             {Namespace: "blue", Name: "be-1", Node: "node-1"},
		"no node":                      {Namespace: "blue", Name: "x", Node: "node-9"},
		"taken by red/stray":           {Namespace: "blue", Name: "x", Node: "node-1", Addrs: []netip.Addr{netip.MustParseAddr("10.9.8.7")}},
		"taken by node:node-1":         {Namespace: "blue", Name: "x", Node: "node-1", Addrs: []netip.Addr{netip.MustParseAddr("172.30.0.11")}},
		"second address of its family": {Namespace: "blue", Name: "x", Node: "node-1", Addrs: []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("1.1.1.2")}},
		"not the name of a pod":        {Namespace: "../x", Name: "x", Node: "node-1"},
		"already listening":            {Namespace: "blue", Name: "x", Node: "node-1", Ports: []Port{web[0], web[0]}},
	} {
		if err := l.AddPod(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", p, err, want)
		}
	}
	if got := l.Netns("blue/x"); got != "" {
		t.Errorf("a pod that could not be made has the namespace %s", got)
	}
	if err := l.AddPod(t.Context(), Pod{Namespace: "blue", Name: "x", Node: "node-1"}); err != nil {
		t.Error("the name is not free after failures:", err)
	}
}

func TestOpenConnectionAcrossNodes(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	for proto, port := range map[labhost.Proto]uint16{labhost.TCP: 80, labhost.UDP: 53} {
		c, r, err := host(t, l, "blue/fe-1").Open(t.Context(), DialSpec{Proto: proto, Addr: l.Addrs("red/fe-1")[0], Port: port, LocalPort: 4444})
		if err != nil || c == nil || r.Seen.Port() != 4444 {
			t.Fatalf("%s: %+v, %v", proto, r, err)
		}
		if r, err := c.Send(t.Context(), 0); err != nil || r.By != "red/fe-1" || r.Seen.Port() != 4444 {
			t.Errorf("%s: %+v, %v", proto, r, err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestUnknownAddressIsUnreachable: packets to nobody come back as an error and
// do not go round in circles.
func TestUnknownAddressIsUnreachable(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	for _, addr := range []string{"10.244.2.200", "10.244.1.200", "203.0.113.1", "2001:db8::1", "fd00:244:1::99"} {
		// The error that comes while connect still holds the socket counts only
		// when it comes again, for the SYN that is sent a second later.
		r, err := host(t, l, "blue/fe-1").Dial(t.Context(), DialSpec{Proto: labhost.TCP, Addr: netip.MustParseAddr(addr), Port: 80, Timeout: 3 * time.Second})
		if err != nil || r.Outcome != labhost.Unreachable {
			t.Errorf("%s: %+v, %v", addr, r, err)
		}
	}
}

func TestRunInANode(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	var out bytes.Buffer
	p, err := l.Run(t.Context(), "node:node-1", []string{"sh", "-c", "readlink /proc/self/ns/net; echo $COLOR; exit 7"}, []string{"COLOR=blue"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	inode, err := netnsInode(netnsPath(l.Netns("node:node-1")))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("net:[%d]\nblue\n", inode); out.String() != want {
		t.Errorf("output %q, want %q", out.String(), want)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 7 {
		t.Errorf("%v, want exit code 7", p.Err())
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error("stop of an ended process:", err)
	}
	ready, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	deaf, err := l.Run(t.Context(), "blue/fe-1", []string{"sh", "-c", "trap '' TERM; echo ready; sleep 600"}, nil, log)
	log.Close()
	if err != nil {
		t.Fatal(err)
	}
	ready.Read(make([]byte, 1)) // it is deaf from here on
	if err := l.RemovePod(t.Context(), "blue", "fe-1"); err != nil {
		t.Error(err)
	}
	select {
	case <-deaf.Done():
	default:
		t.Error("a program outlives its pod")
	}
	if _, err := l.Run(t.Context(), "blue/fe-1", []string{"true"}, nil, nil); err == nil {
		t.Error("started a program in a pod that is gone")
	}
}

func TestProxyAPI(t *testing.T) {
	l := newLab(t, testSpec(testLab))
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			go func() { // answers when the client has said all: the half-close has to come through
				defer c.Close()
				said, _ := io.ReadAll(c)
				fmt.Fprintf(c, "you said %s", said)
			}()
		}
	}()
	addr, err := l.ProxyAPI(t.Context(), target.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"node:node-1", "red/fe-1", "ext:dns"} {
		var c net.Conn
		err := inNetns(l.Netns(ref), func() error { c, err = net.Dial("tcp", addr); return err })
		if err != nil {
			t.Fatal(ref, err)
		}
		io.WriteString(c, ref)
		c.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(c)
		if string(answer) != "you said "+ref || err != nil {
			t.Errorf("%s got %q, %v", ref, answer, err)
		}
		c.Close()
	}
	idle := newIdle(t, l.Netns("node:node-1"), addr)
	defer idle.Close()
	if err := l.Close(); err != nil { // must not wait for the idle client
		t.Error(err)
	}
}

func newIdle(t *testing.T, netns, addr string) net.Conn {
	t.Helper()
	var c net.Conn
	if err := inNetns(netns, func() (err error) { c, err = net.Dial("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNameInUse(t *testing.T) {
	needRoot(t)
	o := options(t)
	spec := Spec{Name: testLab, Nodes: []Node{{Name: "a"}}}
	l, err := New(t.Context(), spec, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = New(t.Context(), spec, o)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("%v, want ErrInUse with the process's number", err)
	}
	if r, err := host(t, l, "node:a").Dial(t.Context(), DialSpec{Proto: labhost.ICMP, Addr: FabricAddr()}); err != nil || !r.Connected() {
		t.Errorf("the second New has hurt the first: %+v, %v", r, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := host(t, l, "node:a").Dial(t.Context(), DialSpec{Proto: labhost.ICMP, Addr: FabricAddr()}); err == nil {
		t.Error("a host of a closed lab dials")
	}
	if err := l.AddPod(t.Context(), Pod{Namespace: "x", Name: "y", Node: "a"}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
	again, err := New(t.Context(), spec, o)
	if err != nil {
		t.Fatal("after close:", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestFailedNewLeavesNothing: here the helper is a program that is none.
func TestFailedNewLeavesNothing(t *testing.T) {
	needRoot(t)
	for _, program := range []string{"/bin/true", "/does/not/exist"} {
		o := options(t)
		o.Exec = program
		if _, err := New(t.Context(), testSpec(testLab), o); err == nil {
			t.Fatal("a lab without a helper came up")
		}
		if left := namespaces(t, testLab); len(left) > 0 {
			t.Error("left behind:", left)
		}
	}
}

// holdLab makes a lab, says so, and waits to be killed.
func holdLab(runDir string) {
	l, err := New(context.Background(), testSpec(testLab), Options{RunDir: runDir})
	if err == nil {
		// The double fork outlives the parent death signal.
		_, err = l.Run(context.Background(), "node:node-1", []string{"sh", "-c", "sleep 600 & echo $!; wait"}, nil, os.Stdout)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	time.Sleep(10 * time.Minute)
}

func TestCrashLeavesNothingToTheNext(t *testing.T) {
	needRoot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	holder := exec.Command(exe, "hold-lab", o.RunDir)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	orphan := 0
	if _, err := fmt.Sscan(line, &orphan); err != nil {
		t.Fatalf("holder says %q", line)
	}
	node := netnsPath(namePrefix(testLab) + "node.node-1")
	inode, err := netnsInode(node)
	if err != nil {
		t.Fatal(err)
	}
	// A user's own shell in the namespace is not ours to end.
	guest, err := startProcess(command{argv: []string{"sleep", "600"}, netns: filepath.Base(node)})
	if err != nil {
		t.Fatal(err)
	}
	defer guest.kill()
	if _, err := New(t.Context(), testSpec(testLab), o); !errors.Is(err, ErrInUse) {
		t.Fatalf("while the other lives: %v, want ErrInUse", err)
	}
	holder.Process.Kill()
	holder.Wait()
	if left := namespaces(t, testLab); len(left) != 9 {
		t.Fatalf("a killed lab leaves %d namespaces; this test expects 9 to be cleared", len(left))
	}
	if !isOurs(testLab, orphan, inode) {
		t.Fatal("no orphan to be ended: the test proves nothing")
	}
	l, err := New(t.Context(), Spec{Name: testLab, Nodes: []Node{{Name: "a"}}}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if left := namespaces(t, testLab); len(left) != 2 {
		t.Errorf("namespaces %v, want those of the new lab only", left)
	}
	if isOurs(testLab, orphan, inode) {
		t.Errorf("process %d of the killed lab lives", orphan)
	}
	if err := unix.Kill(guest.Pid(), 0); err != nil {
		t.Error("the user's process was ended:", err)
	}
	if got, err := processesOf(testLab, inode); err != nil || len(got) > 0 {
		t.Errorf("processes in the old namespace: %v, %v", got, err)
	}
}

func TestRefusedSpecs(t *testing.T) {
	two := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	for want, s := range map[string]Spec{
		`lab name ""`:                        {},
		`lab name "a-b"`:                     {Name: "a-b"},
		"node:a is there twice":              {Name: "x", Nodes: []Node{{Name: "a"}, {Name: "a"}}},
		`"../a" is not a name`:               {Name: "x", Nodes: []Node{{Name: "../a"}}},
		"second address of its family":       {Name: "x", Externals: []External{{Name: "e", Addrs: two}}},
		`there is no node "b"`:               {Name: "x", Pods: []Pod{{Namespace: "n", Name: "p", Node: "b"}}},
		"not an address for a machine":       {Name: "x", Nodes: []Node{{Name: "a", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}},
		"more than one pod CIDR of a family": {Name: "x", Nodes: []Node{{Name: "a", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.1.0/24")}}}},
		"89 and 155 are the most":            {Name: "x", Nodes: make([]Node, 90)},
	} {
		if _, err := New(t.Context(), s, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestPoolGivesEachAddressOnce(t *testing.T) {
	p := pool{cidrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28"), netip.MustParsePrefix("fd00::/64")}}
	used := map[netip.Addr]bool{netip.MustParseAddr("10.0.0.3"): true, netip.MustParseAddr("fd00::5"): true}
	var got []string
	for {
		addrs, err := p.take(func(a netip.Addr) bool { return !used[a] })
		if err != nil {
			break
		}
		for _, a := range addrs {
			if used[a] {
				t.Fatalf("%s is given twice", a)
			}
			used[a] = true
		}
		got = append(got, addrs[0].String()+" "+addrs[1].String())
	}
	// 16 addresses, less network, first, broadcast and the two that are used.
	if len(got) != 11 || got[0] != "10.0.0.2 fd00::2" || got[1] != "10.0.0.4 fd00::4" || !slices.Contains(got, "10.0.0.14 fd00::e") {
		t.Errorf("%d addresses: %v", len(got), got)
	}
}

func TestAddCarries(t *testing.T) {
	if got := add(netip.MustParseAddr("10.0.1.254"), 0x102); got.String() != "10.0.3.0" {
		t.Error(got)
	}
}

func TestLongNames(t *testing.T) {
	long := strings.Repeat("x", 240)
	a, b := podNetns("l", Pod{Namespace: "n", Name: long + "a"}), podNetns("l", Pod{Namespace: "n", Name: long + "b"})
	if len(a) > maxName || a == b {
		t.Errorf("%d bytes; %q and %q", len(a), a, b)
	}
	if n := len(linkName("n/" + long)); n > 15 {
		t.Errorf("link name of %d characters", n)
	}
}
