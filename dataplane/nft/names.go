package nft

import (
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// The one table, and the base chains that stay when an epoch changes.
const (
	tableName   = "tierwall"
	forwardHook = "forward"
	inputHook   = "input"
	outputHook  = "output"
)

// names gives the names of chains and maps in one epoch. Names of epoch 0 have
// no suffix, so that the table of a process that found none reads plainly.
type names struct {
	epoch int
}

func (n names) of(base string) string {
	if n.epoch == 0 {
		return base
	}
	return base + "." + strconv.Itoa(n.epoch)
}

func (n names) row(id table.RowID, s verdict.Stage) string { return n.of("row-" + id10(id) + early(s)) }

func (n names) log(id table.RowID, s verdict.Stage, i int) string {
	return n.of("row-" + id10(id) + early(s) + "-log-" + strconv.Itoa(i))
}

// early ends the names of what there is for an early stage alone.
func early(s verdict.Stage) string {
	if s.FallsThrough() {
		return "-" + s.String()
	}
	return ""
}

func (n names) rows(id table.SetID) string { return n.of("rows-" + id10(id)) }

func (n names) set(id table.SetID, d verdict.Direction) string {
	if d == verdict.Egress {
		return n.of("out-" + id10(id))
	}
	return n.of("in-" + id10(id))
}

func id10[T ~uint32](id T) string { return strconv.FormatUint(uint64(id), 10) }

// epochOf reads the epoch of a name that names gave. Names of the base chains
// and names that somebody else gave count as epoch 0.
func epochOf(name string) int {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(name[i+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
