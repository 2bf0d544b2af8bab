package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
)

// A table can belong to the socket that made it: the kernel then refuses the
// changes of all others, and `nft flush ruleset` passes over it. With persist,
// from Linux 6.9 on, it stays when its owner ends, whoever kills it, and is
// anybody's again until the next process takes it over. See
// docs/design/015-owned-table.md.
const (
	tableOwner   = 2 // NFT_TABLE_F_OWNER
	tablePersist = 4 // NFT_TABLE_F_PERSIST
)

// claim makes sure that there is a table, and that it is ours if that was asked
// and the kernel can. It must be called before anything else makes the table.
func (d *Dataplane) claim(ctx context.Context, s *socket) error {
	add := func(flags uint32) error {
		var b batch
		b.addTable(flags)
		return s.commit(ctx, &b, uncut)
	}
	if !d.options.Own {
		return add(0)
	}
	err := add(tableOwner | tablePersist)
	switch {
	case err == nil:
		d.flags, d.unowned = tableOwner|tablePersist, false
	case errors.Is(err, unix.EPERM):
		return s.owned(err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		d.flags = 0
		if err := add(0); err != nil {
			return err
		}
		if d.options.Warn != nil && !d.unowned {
			d.options.Warn(fmt.Errorf("others can change the table, which is noticed and put right, but not prevented: that needs Linux 6.9, and a table that was made there (%w)", err))
		}
		d.unowned = true
	default:
		return err
	}
	return nil
}

// owned explains a refusal: another process has the table, or there are no
// rights at all.
func (s *socket) owned(refused error) error {
	port, err := s.owner()
	if err != nil || port == 0 || port == s.port {
		return refused
	}
	return fmt.Errorf("%w: netlink port %d has it. Is another agent running on this node?", dataplane.ErrOwned, port)
}

// owner is the netlink port of the socket that has the table; 0 for none.
func (s *socket) owner() (uint32, error) {
	const ownerAttr = 7 // NFTA_TABLE_OWNER
	replies, err := s.dump(unix.NFT_MSG_GETTABLE)
	if err != nil {
		return 0, err
	}
	for _, r := range replies {
		if name, _, err := nameOf(r.Data, unix.NFTA_TABLE_NAME, 0); err != nil || name != tableName {
			continue
		}
		d, err := netlink.NewAttributeDecoder(r.Data[4:])
		if err != nil {
			return 0, err
		}
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			if d.Type() == ownerAttr {
				return d.Uint32(), nil
			}
		}
	}
	return 0, nil
}
