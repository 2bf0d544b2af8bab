package faulttest

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/agent"
	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/lab"
)

var (
	killed    = flag.Int("kills", 10, "how often Kills kills the agent")
	restarted = flag.Int("restarts", 1, "how often Restarts kills the API server")
	tampered  = flag.Int("tampers", 14, "how often Tampers tries to change the kernel's table")
	flipped   = flag.Int("flips", 200, "how often Flips changes policy")
)

// TestMain makes the test's executable the lab's helper too, and the control
// plane, which is a process of its own so that it can be killed.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == lab.HostArg:
		os.Exit(lab.ServeHost(context.Background(), os.Stdin, os.Stdout, os.Stderr))
	case len(os.Args) == 3 && os.Args[1] == "control-plane":
		if err := servePlane(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// planeOptions are what the process of the control plane is told.
type planeOptions struct {
	Dir  string
	Port int
	// Fresh gives the agent its way in.
	Fresh bool
}

func servePlane(text string) error {
	var o planeOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx := context.Background()
	p, err := controlplane.Start(ctx, controlplane.Options{DataDir: o.Dir, Port: o.Port, ExtraIPs: []net.IP{lab.FabricAddr().AsSlice()}})
	if err != nil {
		return err
	}
	if err := p.Install(ctx); err != nil { // it starts the webhook too
		return err
	}
	if o.Fresh {
		server := fmt.Sprintf("https://%s:%d", lab.FabricAddr(), lab.ProxyPort)
		if err := p.IssueKubeconfig(filepath.Join(o.Dir, "agent.kubeconfig"), controlplane.AgentUser(nodeName), []string{controlplane.AgentGroup}, server); err != nil {
			return err
		}
	}
	fmt.Println("ready", p.Kubeconfig)
	_, err = io.Copy(io.Discard, os.Stdin) // until the test ends
	return err
}

// rig is a node with an agent, an API server, and machines that talk.
type rig struct {
	// t is the test that runs; ctx ends with the whole rig.
	t                       *testing.T
	ctx                     context.Context
	dir, program            string
	flags                   []string
	options                 planeOptions
	plane                   *exec.Cmd
	lab                     *lab.Lab
	config                  *rest.Config
	dynamic                 dynamic.Interface
	client, server, outside machine
	log                     *os.File
	agent                   *lab.Process
}

// newRig makes one, whose agent has the flags.
func newRig(t *testing.T, flags ...string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the lab needs root")
	}
	dir, err := os.MkdirTemp("", "faults") // short: sockets lie in it
	must(t, err)
	r := &rig{t: t, ctx: t.Context(), dir: dir, program: filepath.Join(dir, "tierwall"), flags: flags}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	build := exec.Command("go", "build", "-o", r.program, "./cmd/tierwall")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx := t.Context()
	r.options = planeOptions{Dir: filepath.Join(dir, "plane"), Port: freePort(t), Fresh: true}
	r.startPlane()
	r.options.Fresh = false
	t.Cleanup(func() { r.t = t; r.stopPlane() })
	r.lab, err = lab.New(ctx, lab.Spec{
		Name:      "faults",
		Nodes:     []lab.Node{{Name: nodeName}},
		Pods:      []lab.Pod{{Namespace: namespace, Name: "client", Node: nodeName}, {Namespace: namespace, Name: "server", Node: nodeName}},
		Externals: []lab.External{{Name: "out", Names: []labhost.Record{}}}, Resolver: "out",
	}, lab.Options{})
	must(t, err)
	t.Cleanup(func() {
		if err := r.lab.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = r.lab.ProxyAPI(ctx, fmt.Sprintf("127.0.0.1:%d", r.options.Port))
	must(t, err)
	of := func(ref string) machine { return machine{r.lab.Netns(ref), r.lab.Addrs(ref)[0]} }
	r.client, r.server, r.outside = of(namespace+"/client"), of(namespace+"/server"), of("ext:out")
	must(t, r.setUp(ctx))
	r.log, err = os.Create(filepath.Join(dir, "agent.log"))
	must(t, err)
	t.Cleanup(func() { _ = r.log.Close() })
	for _, deed := range []string{"add table inet tracks", "add chain inet tracks x { type filter hook input priority 10; }", "add rule inet tracks x ct state established accept"} {
		must(t, r.nft(deed)) // connections are tracked before the agent comes, as on a node with kube-proxy
	}
	r.startAgent()
	r.settled(time.Minute)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startPlane starts the control plane and returns when the API is ready.
func (r *rig) startPlane() {
	r.t.Helper()
	text, err := json.Marshal(r.options)
	must(r.t, err)
	self, err := os.Executable()
	must(r.t, err)
	r.plane = exec.Command(self, "control-plane", string(text))
	r.plane.Stderr = os.Stderr
	_, err = r.plane.StdinPipe() // closed when the test's process ends
	must(r.t, err)
	out, err := r.plane.StdoutPipe()
	must(r.t, err)
	must(r.t, r.plane.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if path, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			r.config, err = clientcmd.BuildConfigFromFlags("", path)
			must(r.t, err)
			r.config.QPS = -1
			return
		}
	}
	r.t.Fatal("the control plane did not start")
}

func (r *rig) stopPlane() {
	_ = r.plane.Process.Kill()
	_ = r.plane.Wait()
}

func (r *rig) socket() string { return filepath.Join(r.dir, "agent.sock") }

func (r *rig) startAgent() {
	r.t.Helper()
	var err error
	argv := append([]string{r.program, "agent", "--node", nodeName,
		"--kubeconfig", filepath.Join(r.options.Dir, "agent.kubeconfig"), "--status-socket", r.socket()}, r.flags...)
	r.agent, err = r.lab.Run(r.ctx, "node:"+nodeName, argv, nil, r.log)
	must(r.t, err)
}

// settled waits until the agent says that everything is in the kernel.
func (r *rig) settled(within time.Duration) agent.Applied {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), within)
	defer stop()
	for {
		a, err := agent.AskApplied(ctx, r.socket())
		if err == nil {
			return a
		}
		if ctx.Err() != nil {
			r.t.Fatalf("the agent is not in step after %s: %v (its log is %s)", within, err, r.log.Name())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *rig) traffic() *traffic { return startTraffic(r.t, r.client, r.server, r.outside) }

// TestFaults breaks one thing after the other on one rig.
func TestFaults(t *testing.T) {
	r := newRig(t)
	for _, fault := range []struct {
		name string
		run  func(*testing.T)
	}{{"Flips", r.flips}, {"Kills", r.kills}, {"Tampers", r.tampers}, {"Restarts", r.restarts}, {"Restore", r.restore}} {
		t.Run(fault.name, func(t *testing.T) {
			r.t = t
			fault.run(t)
		})
	}
}

// kills kills the agent at random moments of its life: as it starts, as it loads
// its table beside the one that is there, and as it changes it.
func (r *rig) kills(t *testing.T) {
	traffic := r.traffic()
	ctx := t.Context()
	for n := range *killed {
		if _, err := r.flip(ctx, n); err != nil { // the next one finds another world
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		must(t, syscall.Kill(r.agent.Pid(), syscall.SIGKILL))
		<-r.agent.Done()
		r.startAgent()
		if n%5 == 4 {
			r.settled(time.Minute)
		} else {
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		}
	}
	r.settled(time.Minute)
	traffic.result()
	t.Logf("%d kills", *killed)
}

// restarts kills the API server; when it is back, the agent follows it.
func (r *rig) restarts(t *testing.T) {
	traffic := r.traffic()
	var longest time.Duration
	for n := range *restarted {
		r.stopPlane()
		r.startPlane()
		change, err := r.flip(t.Context(), n)
		must(t, err)
		began := time.Now()
		r.follows(change, time.Minute)
		longest = max(longest, time.Since(began))
	}
	traffic.result()
	t.Logf("%d restarts of the API server; the agent followed after %s at most", *restarted, longest.Round(time.Millisecond))
}

// follows waits until a change is in the kernel, or what the server has written
// into the object's status since.
func (r *rig) follows(change done, within time.Duration) {
	r.t.Helper()
	r.until(change.key, within, func(has string) bool { return number(has) >= number(change.version) })
}

// number is a resource version as a number; 0 for none.
func number(version string) uint64 {
	n, _ := strconv.ParseUint(version, 10, 64)
	return n
}

// until waits until the version of an object that is in the kernel is right.
func (r *rig) until(key string, within time.Duration, right func(version string) bool) {
	r.t.Helper()
	for limit := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		has := r.settled(within).Objects[key]
		if right(has) {
			return
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%s is not enforced as it should be after %s: version %q is (log: %s)", key, within, has, r.log.Name())
		}
	}
}

// tampers tries to change the table as other programs might.
func (r *rig) tampers(t *testing.T) {
	traffic := r.traffic()
	did := 0
	for n := range *tampered {
		for _, deed := range []string{
			"flush ruleset", "delete table inet tierwall", "flush table inet tierwall", "flush chain inet tierwall forward",
			"insert rule inet tierwall forward accept", "add chain inet tierwall forward { policy drop; }", "add chain inet tierwall x",
		}[n%7 : n%7+1] {
			if err := r.nft(deed); err == nil {
				did++
			}
		}
		if _, err := r.flip(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.settled(time.Minute)
	traffic.result()
	t.Logf("%d attempts, nft reports %d as done", *tampered, did)
}

func (r *rig) nft(deed string) error {
	var err error
	node := machine{ns: r.lab.Netns("node:" + nodeName)}
	if problem := node.in(func() { err = exec.Command("nft", strings.Fields(deed)...).Run() }); problem != nil {
		r.t.Fatal(problem)
	}
	return err
}

// flips changes policy, sets and labels without pause, each once the last is in
// the kernel.
func (r *rig) flips(t *testing.T) {
	traffic := r.traffic()
	began := time.Now()
	for n := range *flipped {
		change, err := r.flip(t.Context(), n)
		must(t, err)
		r.follows(change, time.Minute)
	}
	took := time.Since(began)
	traffic.result()
	t.Logf("%d flips, each enforced before the next, %s each with the API server's part", *flipped, (took / time.Duration(*flipped)).Round(10*time.Microsecond))
}

// restore puts the API server's data back to what it was: versions are lower than
// what the agent has seen, and what came after is gone. The agent follows.
func (r *rig) restore(t *testing.T) {
	traffic := r.traffic()
	ctx := t.Context()
	r.stopPlane()
	etcd, copied := filepath.Join(r.options.Dir, "etcd"), filepath.Join(r.dir, "etcd-before")
	must(t, os.CopyFS(copied, os.DirFS(etcd)))
	r.startPlane()
	later, err := r.policy(ctx, "later", object{"selector": "app == 'nobody'"})
	must(t, err)
	var last done // of the policy that is changed again after the restore
	for n := range 41 {
		change, err := r.flip(ctx, n)
		must(t, err)
		r.follows(change, time.Minute)
		last = change
	}
	if r.settled(time.Minute).Objects[later.key] == "" {
		t.Fatal("the policy that is to vanish is not known")
	}
	r.stopPlane()
	must(t, os.RemoveAll(etcd))
	must(t, os.CopyFS(etcd, os.DirFS(copied)))
	r.startPlane()
	change, err := r.flip(ctx, 0)
	must(t, err)
	began := time.Now()
	r.until(change.key, 2*time.Minute, func(has string) bool { return has != "" && number(has) < number(last.version) })
	r.until(later.key, 2*time.Minute, func(has string) bool { return has == "" })
	t.Logf("version %s before, %s after the restore; followed after %s", last.version, change.version, time.Since(began).Round(time.Millisecond))
	traffic.result()
}

// TestCutDenied: with --cut-denied an open connection that a change denies ends,
// and no other, whichever end speaks.
func TestCutDenied(t *testing.T) {
	r := newRig(t, "--cut-denied")
	tr := &traffic{t: t, client: r.client, server: r.server, outside: r.outside, said: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	tr.serve(ctx)
	dial := func(from machine, port uint16) (c net.Conn) {
		t.Helper()
		must(t, from.in(func() {
			var err error
			c, err = net.DialTimeout("tcp", r.server.at(port).String(), patience)
			if err != nil {
				t.Error(err)
				return
			}
			if err := roundTrip(c); err != nil {
				t.Error(err)
			}
		}))
		return c
	}
	denied, allowed := dial(r.client, tcpOpen), dial(r.outside, tcpOutside)
	if t.Failed() {
		t.FailNow()
	}
	defer denied.Close()
	defer allowed.Close()
	change, err := r.policy(ctx, "server", object{"selector": "app == 'server'", "types": []string{"Ingress"},
		"ingress": []object{rule("Allow", "TCP", object{"nets": []string{r.outside.addr.String() + "/32"}}, ports(tcpOutside))}})
	must(t, err)
	r.follows(change, time.Minute)
	for limit := time.Now().Add(10 * time.Second); ; { // soon after, off the way of changes
		_ = denied.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := denied.Write([]byte{'x'})
		if err == nil {
			_, err = denied.Read(make([]byte, 1))
		}
		if err != nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the connection that is denied goes on")
		}
	}
	for range 20 {
		must(t, roundTrip(allowed))
	}
	_ = denied.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := denied.Read(make([]byte, 1)); err == nil { // the answer to what was sent above, if it got there
		t.Error("the connection that was cut goes on")
	}
}
