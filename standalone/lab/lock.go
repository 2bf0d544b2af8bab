package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse is returned by New where a living process has a lab of that name.
var ErrInUse = errors.New("in use")

// lockFile keeps two processes from having labs of one name. The kernel lets
// go of it when its process ends, however that happens.
type lockFile struct{ f *os.File }

// acquire locks dir/lab-NAME.lock, or says which process has it.
func acquire(dir, name string) (*lockFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lab-"+name+".lock")
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid, _ := io.ReadAll(f)
			f.Close()
			return nil, fmt.Errorf("lab %q is %w by process %s: stop that one, or choose another name", name, ErrInUse, strings.TrimSpace(string(pid)))
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// Its last holder may have removed the file between our open and lock.
		if !isFile(f, path) {
			f.Close()
			continue
		}
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
		if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
			f.Close()
			return nil, err
		}
		return &lockFile{f}, nil
	}
}

// isFile reports whether path still names the open file.
func isFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// release removes the file and lets go of it.
func (l *lockFile) release() error {
	return errors.Join(os.Remove(l.f.Name()), l.f.Close())
}
