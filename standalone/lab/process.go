package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a program that runs in a namespace of the lab and ends with it.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of Wait; to be read after done
}

// command is what to start.
type command struct {
	argv, env []string
	netns     string
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
}

// startProcess starts a program on a thread in its namespace, so that all of
// its threads are there, and keeps that thread: the kernel kills the program
// when the thread that started it ends (parent death signal).
func startProcess(c command) (*Process, error) {
	p := &Process{cmd: exec.Command(c.argv[0], c.argv[1:]...), done: make(chan struct{})}
	p.cmd.Env = c.env
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = c.stdin, c.stdout, c.stderr
	// A group of its own keeps a terminal's Ctrl-C from it: the lab ends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p.cmd.WaitDelay = time.Second // for output pipes that a grandchild holds
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in another namespace
		err := enterNetns(c.netns)
		if err == nil {
			err = p.cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.argv[0], err)
	}
	return p, nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended: nil for exit code 0, an *exec.ExitError for
// another end. Only valid after Done is closed.
func (p *Process) Err() error { return p.err }

// Stop asks the process to end (SIGTERM), and kills it with its process group
// when ctx ends first. It returns when the process is gone. Stop of a process
// that has ended is no error, and Stop may be called several times.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	return p.kill()
}

// kill ends the process and its group at once.
func (p *Process) kill() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	// The process is not waited for yet, or only just: its number is its own.
	if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-p.done
	return nil
}
