package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// envLab marks the processes of a lab, so that what a crash leaves can be told
// from a user's shell in the same namespace.
const envLab = "TIERWALL_LAB"

// namePrefix is what the names of a lab's namespaces begin with. Lab names have
// no hyphen, so no lab's prefix is the beginning of another's.
func namePrefix(lab string) string { return "tierwall-" + lab + "-" }

// clearLeftovers removes what a lab of this name left behind when it was
// killed. The caller holds the lab's lock, so nobody uses it.
func clearLeftovers(lab string, log *slog.Logger) error {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var problems []error
	removed := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), namePrefix(lab)) {
			continue
		}
		if inode, err := netnsInode(netnsPath(e.Name())); err == nil {
			problems = append(problems, endProcesses(lab, inode))
		}
		problems = append(problems, deleteNetns(e.Name()))
		removed++
	}
	if removed > 0 {
		log.Info("removed what an earlier run left", "lab", lab, "namespaces", removed)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove what an earlier lab %q left: %w", lab, err)
	}
	return nil
}

// endProcesses kills the lab's processes in a namespace and waits until they
// are gone.
func endProcesses(lab string, inode uint64) error {
	pids, err := processesOf(lab, inode)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := endProcess(lab, pid, inode); err != nil {
			return err
		}
	}
	return nil
}

// processesOf lists the lab's processes in a namespace.
func processesOf(lab string, inode uint64) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && isOurs(lab, pid, inode) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// isOurs reports whether a process is in the namespace and carries the mark of
// the lab. A process that is gone is not ours.
func isOurs(lab string, pid int, inode uint64) bool {
	ns, err := netnsInode(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil || ns != inode {
		return false
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(append([]byte{0}, env...), []byte("\x00"+envLab+"="+lab+"\x00"))
}

// endProcess kills one process. It holds on to it first and then looks again,
// so that a process that got the same number meanwhile is safe.
func endProcess(lab string, pid int, inode uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if !isOurs(lab, pid, inode) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	const patience = 5 * time.Second
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds())); n == 0 && err == nil {
		return fmt.Errorf("process %d does not end", pid)
	}
	return nil
}
