package flows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// magic begins each segment; another version of the format has another.
	magic = "twflow1\n"
	// frameHeader is length and checksum.
	frameHeader = 8
	// maxFrame is more than any frame has, in bytes.
	maxFrame = 64 << 20
	suffix   = ".flows"
	// asideSuffix ends the names of segments that could not be read.
	asideSuffix = ".damaged"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file of the store. What is in it up to size is never changed.
type segment struct {
	number uint64
	path   string
	size   int64
	// first and last are the bounds of the records' Last; zero for none.
	first, last time.Time
	records     uint64
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", number, suffix))
}

// segmentNumber reads the number of a segment from its file's name.
func segmentNumber(name string) (uint64, bool) {
	text, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// note widens the bounds of a segment by a record.
func (s *segment) note(last time.Time) {
	if s.records == 0 || last.Before(s.first) {
		s.first = last
	}
	if last.After(s.last) {
		s.last = last
	}
	s.records++
}

// frame puts a payload behind its header.
func frame(payload []byte) []byte {
	out := make([]byte, frameHeader, frameHeader+len(payload))
	binary.LittleEndian.PutUint32(out, uint32(len(payload)))
	binary.LittleEndian.PutUint32(out[4:], crc32.Checksum(payload, castagnoli))
	return append(out, payload...)
}

// torn is the end of a segment that cannot be read.
type torn struct {
	at  int64
	why error
}

func (t *torn) Error() string { return fmt.Sprintf("at byte %d: %v", t.at, t.why) }
func (t *torn) Unwrap() error { return t.why }

var (
	errMagic    = errors.New("it is no store of flows of this version")
	errCut      = errors.New("a frame is cut")
	errChecksum = errors.New("a frame has not its checksum")
)

// read decodes a segment up to size bytes. What it cannot read ends it with a
// torn; what was before is good.
func (s *segment) read(to sink) error {
	data, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	if s.size > 0 && int64(len(data)) > s.size {
		data = data[:s.size]
	}
	if !bytes.HasPrefix(data, []byte(magic)) {
		return &torn{0, errMagic}
	}
	r := newReader()
	for pos := len(magic); pos < len(data); {
		if pos+frameHeader > len(data) {
			return &torn{int64(pos), errCut}
		}
		n := int(binary.LittleEndian.Uint32(data[pos:]))
		sum := binary.LittleEndian.Uint32(data[pos+4:])
		from := pos + frameHeader
		if n > maxFrame || from+n > len(data) {
			return &torn{int64(pos), errCut}
		}
		payload := data[from : from+n]
		if crc32.Checksum(payload, castagnoli) != sum {
			return &torn{int64(pos), errChecksum}
		}
		more, err := r.frame(payload, to)
		if err != nil {
			return &torn{int64(pos), err}
		}
		if !more {
			return nil
		}
		pos = from + n
	}
	return nil
}
