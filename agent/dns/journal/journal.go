// Package journal keeps what was learned on disk, so that an agent that ends, in
// whatever way, knows it again. Each lease is a line that is appended before the
// answer which brought it goes on; now and then the file is written anew with what
// still counts. A line has a checksum: what was torn or changed is left out, and
// counted.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tierwall/tierwall/domain"
)

// Lease is what is kept of a name and an address.
type Lease struct {
	Name    domain.Name `json:"name"`
	Addr    netip.Addr  `json:"addr"`
	Via     domain.Name `json:"via,omitempty"`
	Server  netip.Addr  `json:"server,omitzero"`
	Seen    time.Time   `json:"seen,omitzero"`
	Expires time.Time   `json:"expires,omitzero"`
}

// line is one of the file's: a head, which is the first, a lease, or the end of
// one.
type line struct {
	Head *head `json:"head,omitempty"`
	*Lease
	Gone bool `json:"gone,omitempty"`
}

// head says what the file is. A file of another version is not read.
type head struct {
	Version int `json:"version"`
	Epoch   int `json:"epoch"`
}

const (
	version = 1
	// maxLine is longer than any line that is written.
	maxLine = 4096
	// spare is how many lines the file may have that say nothing any more, beside
	// as many as do.
	spare = 10_000
)

// Journal is an open file. Its methods may be called on nil, which keeps nothing.
type Journal struct {
	path  string
	epoch int
	file  *os.File
	buf   []byte
	lines int
	// draft is the file that is written to take this one's place, nil for none;
	// later is what was appended meanwhile.
	draft *Draft
	later []byte
}

// Content is what was found in a file.
type Content struct {
	Leases []Lease
	// Damaged counts lines that could not be read.
	Damaged int
	// Epoch is that of the file, and Other says that it is of another version.
	Epoch int
	Other bool
}

// Open opens or makes the file, and reads what is in it. It is written anew by the
// caller's first Rewrite.
func Open(path string) (*Journal, Content, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, Content{}, fmt.Errorf("what was learned of names: %w", err)
	}
	content, err := read(path)
	if err != nil {
		return nil, Content{}, fmt.Errorf("what was learned of names: %w", err)
	}
	return &Journal{path: path, epoch: content.Epoch}, content, nil
}

func read(path string) (c Content, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer f.Close()
	type key struct {
		domain.Name
		netip.Addr
	}
	leases := map[key]Lease{}
	var order []key
	in := bufio.NewReaderSize(f, 64<<10)
	for first := true; ; first = false {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, err
		}
		l, ok := parse(text)
		switch {
		case first && ok && l.Head != nil && l.Head.Version != version:
			return Content{Other: true}, nil
		case first && (!ok || l.Head == nil):
			return Content{Damaged: 1}, nil
		case first:
			c.Epoch = l.Head.Epoch
		case !ok || l.Lease == nil:
			c.Damaged++
		default:
			k := key{l.Name, l.Addr}
			if _, known := leases[k]; !known && !l.Gone {
				order = append(order, k)
			}
			if leases[k] = *l.Lease; l.Gone {
				delete(leases, k)
			}
		}
	}
	for _, k := range order {
		if l, ok := leases[k]; ok {
			c.Leases = append(c.Leases, l)
			delete(leases, k)
		}
	}
	return c, nil
}

// readLine returns a line without its end; one that is too long is cut, and its
// checksum is wrong then. A last line without an end was torn.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, more, err := in.ReadLine()
		if err != nil {
			return nil, err
		}
		if len(text) < maxLine {
			text = append(text, part...)
		}
		if !more {
			return text, nil
		}
	}
}

// parse reads "checksum json".
func parse(text []byte) (l line, ok bool) {
	if len(text) < 10 || text[8] != ' ' {
		return l, false
	}
	sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(text[9:]) || json.Unmarshal(text[9:], &l) != nil {
		return l, false
	}
	if l.Lease != nil {
		name, err := domain.ParseName(string(l.Name))
		ok = err == nil && name == l.Name && l.Addr.IsValid()
		return l, ok
	}
	return l, l.Head != nil
}

func encode(b []byte, l line) []byte {
	data, err := json.Marshal(l)
	if err != nil {
		return b // values of these types can be written
	}
	return fmt.Appendf(b, "%08x %s\n", crc32.ChecksumIEEE(data), data)
}

// Append notes leases that are new or renewed, and ends. When it returns nil, a
// process that dies has lost none of it; a machine that does may.
func (j *Journal) Append(kept, gone iter.Seq[Lease]) error {
	if j == nil {
		return nil
	}
	buf := j.buf[:0]
	for l := range gone {
		buf = encode(buf, line{Lease: &Lease{Name: l.Name, Addr: l.Addr}, Gone: true})
		j.lines++
	}
	for l := range kept {
		buf = encode(buf, line{Lease: &l})
		j.lines++
	}
	j.buf = buf
	if j.draft != nil {
		j.later = append(j.later, buf...)
	}
	if j.file == nil || len(buf) == 0 {
		return nil // the next Rewrite has it
	}
	if _, err := j.file.Write(buf); err != nil {
		return fmt.Errorf("what was learned of names: %w", err)
	}
	return nil
}

// Overgrown reports whether most of the file says nothing any more, when there
// are so many leases, and nobody writes it anew.
func (j *Journal) Overgrown(leases int) bool {
	return j != nil && j.draft == nil && j.lines > 2*leases+spare
}

// Rewrite puts a file with these leases in the place of the old one, all at once.
func (j *Journal) Rewrite(leases iter.Seq[Lease]) error {
	if j == nil {
		return nil
	}
	d := j.Begin()
	d.Write(leases)
	return j.Replace(d)
}

// Draft is a file that is not yet in its place.
type Draft struct {
	path  string
	epoch int
	file  *os.File
	lines int
	err   error
}

// Begin begins to write the file anew: what is appended from now on will be in
// both. The leases that are known now then go into the Draft, which Replace puts
// in the file's place.
func (j *Journal) Begin() *Draft {
	j.later = nil
	j.draft = &Draft{path: j.path, epoch: j.epoch}
	return j.draft
}

// Write writes leases to the draft. It may run beside all that happens to the
// journal; Replace tells its error.
func (d *Draft) Write(leases iter.Seq[Lease]) {
	if d.err = d.write(leases); d.err != nil && d.file != nil {
		d.drop()
	}
}

func (d *Draft) write(leases iter.Seq[Lease]) (err error) {
	if d.file, err = os.CreateTemp(filepath.Dir(d.path), "."+filepath.Base(d.path)+"-"); err != nil {
		return err
	}
	d.lines = 1
	buf := encode(nil, line{Head: &head{Version: version, Epoch: d.epoch}})
	for l := range leases {
		d.lines++
		if buf = encode(buf, line{Lease: &l}); len(buf) > 64<<10 {
			if _, err := d.file.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	if _, err := d.file.Write(buf); err != nil {
		return err
	}
	return d.file.Sync()
}

func (d *Draft) drop() {
	_ = d.file.Close()
	_ = os.Remove(d.file.Name())
}

// Replace puts a draft in the place of the file. One that another was begun after
// is dropped.
func (j *Journal) Replace(d *Draft) error {
	if d != j.draft {
		if d.err == nil {
			d.drop()
		}
		return nil
	}
	later := j.later
	j.draft, j.later = nil, nil
	if d.err != nil {
		return fmt.Errorf("what was learned of names: %w", d.err)
	}
	_, err := d.file.Write(later)
	if err == nil {
		err = os.Rename(d.file.Name(), j.path)
	}
	if err != nil {
		d.drop()
		return fmt.Errorf("what was learned of names: %w", err)
	}
	_ = j.Close()
	j.file, j.lines = d.file, d.lines+bytes.Count(later, []byte{'\n'})
	return nil
}

// Reset forgets all, under another epoch.
func (j *Journal) Reset(epoch int) error {
	if j == nil {
		return nil
	}
	j.epoch = epoch
	return j.Rewrite(func(func(Lease) bool) {})
}

// Close closes the file.
func (j *Journal) Close() error {
	if j == nil || j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
