package dataplane

import (
	"encoding/binary"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Mark is which decision a connection met in one direction: the set of the
// endpoint and the class of the peer's address, which together say the row. What
// the two numbers mean never changes while a kernel may say them
// (docs/design/002-rows-as-chains.md). The zero value is none.
type Mark struct {
	Set   table.SetID
	Class table.ClassID
}

// LabelSize is the length of a connection's labels, in bytes.
const LabelSize = 16

// Label is what a recording dataplane notes at a connection, in its labels: of
// egress in the first half, of ingress in the second (of what hosts' policy says of
// traffic that is forwarded, in the half that is free), each a number whose upper
// eight bits are the tag of who wrote it and whose rest is the set, and then the
// class. Both are in the order of bytes of the machine. The last bit of all is
// that of preDNAT policy (docs/design/007-host-stages.md).
type Label [LabelSize]byte

// The bounds of what a label holds.
const (
	maxSet = 1 << 24
	// classBits are those that a class may have: the last belongs to preDNAT.
	classBits = 1<<31 - 1
	// Tags are how many tags there are, from 1.
	Tags = 255
)

// half is where a direction's part begins.
func half(d verdict.Direction) int {
	if d == verdict.Egress {
		return 0
	}
	return LabelSize / 2
}

// SetLabel returns the label for a set, without a class, and where the class
// belongs, in bytes. It reports false for a set that no label can hold.
func SetLabel(tag uint8, d verdict.Direction, id table.SetID) (l Label, class int, ok bool) {
	if id >= maxSet || tag == 0 {
		return l, 0, false
	}
	binary.NativeEndian.PutUint32(l[half(d):], uint32(tag)<<24|uint32(id))
	return l, half(d) + 4, true
}

// Mark reads the part of a direction. It reports false if there is none, or one
// that somebody else wrote.
func (l Label) Mark(tag uint8, d verdict.Direction) (Mark, bool) {
	set := binary.NativeEndian.Uint32(l[half(d):])
	if tag == 0 || uint8(set>>24) != tag {
		return Mark{}, false
	}
	return Mark{
		Set:   table.SetID(set & (maxSet - 1)),
		Class: table.ClassID(binary.NativeEndian.Uint32(l[half(d)+4:]) & classBits),
	}, true
}

// Recorder is a Dataplane that leaves traces of what it decides.
type Recorder interface {
	// Recording says how. It changes with the first Apply only, after which it
	// may be asked by anybody.
	Recording() Recording
	// Unrecorded returns how many denied packets were not sent to the group,
	// since there were too many, since the table was made.
	Unrecorded() (uint64, error)
}

// Recording is how a dataplane leaves traces.
type Recording struct {
	// Tag is in the labels of connections that were decided by this process;
	// 0 if none are.
	Tag uint8
	// Group is the NFLOG group that gets the head of each packet that is denied,
	// with DeniedPrefix and the stage as its prefix; 0 for none. Normal stands for
	// the stage Forward too, which has the same rows.
	Group uint16
}

// DeniedPrefix begins the prefix of denied packets; the stage follows.
const DeniedPrefix = "tierwall denied "
