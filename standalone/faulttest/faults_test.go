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
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/agent"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/lab"
)

var (
	kills    = flag.Int("kills", 10, "how often TestKills kills the agent")
	restarts = flag.Int("restarts", 2, "how often TestRestarts kills the API server")
	tampers  = flag.Int("tampers", 14, "how often TestTampers tries to change the kernel's table")
	flips    = flag.Int("flips", 200, "how often TestFlips changes policy")
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
	// Fresh installs everything; else that is in its data.
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
	if o.Fresh {
		if err := p.Install(ctx); err != nil {
			return err
		}
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
	t                       *testing.T
	dir, program            string
	options                 planeOptions
	plane                   *exec.Cmd
	lab                     *lab.Lab
	config                  *rest.Config
	dynamic                 dynamic.Interface
	client, server, outside machine
	log                     *os.File
	agent                   *lab.Process
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the lab needs root")
	}
	dir, err := os.MkdirTemp("", "faults") // short: sockets lie in it
	must(t, err)
	r := &rig{t: t, dir: dir, program: filepath.Join(dir, "tierwall")}
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
	t.Cleanup(r.stopPlane)
	r.lab, err = lab.New(ctx, lab.Spec{
		Name:      "faults",
		Nodes:     []lab.Node{{Name: nodeName}},
		Pods:      []lab.Pod{{Namespace: namespace, Name: "client", Node: nodeName}, {Namespace: namespace, Name: "server", Node: nodeName}},
		Externals: []lab.External{{Name: "out"}},
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
	r.agent, err = r.lab.Run(r.t.Context(), "node:"+nodeName, []string{r.program, "agent", "--node", nodeName,
		"--kubeconfig", filepath.Join(r.options.Dir, "agent.kubeconfig"), "--status-socket", r.socket()}, nil, r.log)
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

// TestKills kills the agent at random moments of its life: as it starts, as it
// loads its table beside the one that is there, and as it changes it.
func TestKills(t *testing.T) {
	r := newRig(t)
	traffic := r.traffic()
	ctx := t.Context()
	for n := range *kills {
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
	t.Logf("%d kills", *kills)
}

// TestRestarts kills the API server; when it is back, the agent follows it.
func TestRestarts(t *testing.T) {
	r := newRig(t)
	traffic := r.traffic()
	var longest time.Duration
	for n := range *restarts {
		r.stopPlane()
		r.startPlane()
		change, err := r.flip(t.Context(), n)
		must(t, err)
		began := time.Now()
		r.follows(change, time.Minute)
		longest = max(longest, time.Since(began))
	}
	traffic.result()
	t.Logf("%d restarts of the API server; the agent followed after %s at most", *restarts, longest.Round(time.Millisecond))
}

// follows waits until a change is in the kernel.
func (r *rig) follows(change done, within time.Duration) {
	r.t.Helper()
	for limit := time.Now().Add(within); ; {
		if r.settled(within).Objects[change.key] == change.version {
			return
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%s of version %s is not enforced after %s (log: %s)", change.key, change.version, within, r.log.Name())
		}
		time.Sleep(time.Millisecond)
	}
}

// TestTampers tries to change the table as other programs might.
func TestTampers(t *testing.T) {
	r := newRig(t)
	traffic := r.traffic()
	did := 0
	for n := range *tampers {
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
	t.Logf("%d attempts, nft reports %d as done", *tampers, did)
}

func (r *rig) nft(deed string) error {
	var err error
	node := machine{ns: r.lab.Netns("node:" + nodeName)}
	if problem := node.in(func() { err = exec.Command("nft", strings.Fields(deed)...).Run() }); problem != nil {
		r.t.Fatal(problem)
	}
	return err
}

// TestFlips changes policy, sets and labels without pause, each once the last is
// in the kernel.
func TestFlips(t *testing.T) {
	r := newRig(t)
	traffic := r.traffic()
	began := time.Now()
	for n := range *flips {
		change, err := r.flip(t.Context(), n)
		must(t, err)
		r.follows(change, time.Minute)
	}
	took := time.Since(began)
	traffic.result()
	t.Logf("%d flips, each enforced before the next, %s each with the API server's part", *flips, (took / time.Duration(*flips)).Round(10*time.Microsecond))
}
