package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// netnsDir is where "ip netns" keeps names of network namespaces.
const netnsDir = "/run/netns"

// netnsPath is the file that holds a named namespace open.
func netnsPath(name string) string { return filepath.Join(netnsDir, name) }

// shareNetnsDir makes netnsDir a shared mount, as "ip netns add" does when it
// is the first to come. Without it, that command, run later by somebody else,
// would cover our names with copies, and what is under them could never go.
func shareNetnsDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // EINVAL: not a mount point yet
		return err
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// createNetns makes a namespace with that name, which must not be there.
func createNetns(name string) error {
	path := netnsPath(name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("create network namespace: %w", err)
	}
	f.Close()
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "none", unix.MS_BIND, "")
	})
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("create network namespace %s: %w", name, err)
	}
	return nil
}

// deleteNetns removes the name. The namespace goes with its last process. A
// name that is not there is no error.
func deleteNetns(name string) error {
	path := netnsPath(name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return forgetResolver(name)
}

// inNetns runs f on a thread that is in the named namespace. What f opens
// (sockets, files under /proc/sys/net) and starts belongs to the namespace.
// f must not start goroutines that rely on it.
func inNetns(name string, f func() error) error {
	return onThread(func() error {
		if err := enterNetns(name); err != nil {
			return err
		}
		return f()
	})
}

// enterNetns moves the calling thread, which must be locked.
func enterNetns(name string) error {
	ns, err := unix.Open(netnsPath(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", name, err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", name, err)
	}
	return nil
}

// onThread runs f on an operating system thread of its own, which ends with f:
// a thread that has changed its namespace must never run other goroutines.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: so the thread ends here
		done <- f()
	}()
	return <-done
}

// netnsInode identifies a namespace by the file that stands for it.
func netnsInode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}
