package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is one that runs here. A pod of the host's network has no namespace.
type pod struct {
	namespace, link string
	address         netip.Addr
	root            string
	processes       []*exec.Cmd
	started         metav1.Time
}

// gateway is what pods send to; the node answers for it.
const gateway = "169.254.1.1"

// commands runs commands, a line each, in order.
func commands(lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	return nil
}

// wire makes the pod's network: one link to the node, with addresses that are
// each alone on theirs.
func (p *pod) wire() error {
	inside := "ip -n " + p.namespace + " "
	return commands(
		"ip netns add "+p.namespace,
		"ip link add "+p.link+" type veth peer name eth0 netns "+p.namespace,
		"ip addr add "+gateway+"/32 dev "+p.link,
		"ip link set "+p.link+" up",
		inside+"link set lo up",
		inside+"link set eth0 up",
		inside+"addr add "+p.address.String()+"/32 dev eth0",
		inside+"route add "+gateway+" dev eth0 scope link",
		inside+"route add default via "+gateway,
		"ip route add "+p.address.String()+"/32 dev "+p.link,
	)
}

// command is a command in the pod, as a container's or by exec.
func (p *pod) command(words, environment []string) *exec.Cmd {
	in := append([]string{"chroot", p.root}, words...)
	if p.namespace != "" {
		in = append([]string{"ip", "netns", "exec", p.namespace}, in...)
	}
	c := exec.Command(in[0], in[1:]...)
	c.Env = append([]string{"PATH=/bin:/:/usr/sbin:/usr/bin:/sbin"}, environment...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

// start starts the containers.
func (p *pod) start(o *corev1.Pod, node netip.Addr) error {
	for _, c := range o.Spec.Containers {
		environment := p.environment(o, c, node)
		process := p.command(words(c, environment), environment.list())
		if err := process.Start(); err != nil {
			return err
		}
		go func() { _ = process.Wait() }()
		p.processes = append(p.processes, process)
	}
	return nil
}

// stop ends the pod's processes and takes its network away.
func (p *pod) stop() error {
	for _, c := range p.processes {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it may have ended
	}
	if p.namespace == "" {
		return nil
	}
	return errors.Join(commands("ip link del "+p.link), commands("ip netns del "+p.namespace))
}

// status is what the API is told of a pod that runs.
func (p *pod) status(o *corev1.Pod, node netip.Addr) corev1.PodStatus {
	host, own, now, yes := node.String(), p.address.String(), metav1.Now(), true
	s := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: host, HostIPs: []corev1.HostIP{{IP: host}},
		PodIP: own, PodIPs: []corev1.PodIP{{IP: own}}, StartTime: &p.started,
	}
	for _, t := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	for _, c := range o.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: true, Started: &yes, Image: c.Image, ImageID: c.Image, ContainerID: "podlet://" + string(o.UID) + "-" + c.Name,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: p.started}},
		})
	}
	return s
}
