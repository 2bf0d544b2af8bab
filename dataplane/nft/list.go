package nft

import (
	"errors"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// list reads the names of the table's chains and maps, anonymous ones apart. A
// table that does not exist has none.
func (s *socket) list() (found inventory, err error) {
	found.chains, err = s.names(unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME)
	if err != nil {
		return found, err
	}
	found.maps, err = s.names(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME)
	return found, err
}

// names lists the objects of one kind that are in our table.
func (s *socket) names(kind, tableAttr, nameAttr uint16) ([]string, error) {
	replies, err := s.dump(kind)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, r := range replies {
		table, name, err := nameOf(r.Data, tableAttr, nameAttr)
		if err != nil {
			return nil, err
		}
		if table == tableName && !strings.HasPrefix(name, "__") {
			list = append(list, name)
		}
	}
	return list, nil
}

// dump reads all objects of one kind, or those that the attributes choose. A list into which somebody's transaction
// fell has gaps, and is read again.
func (s *socket) dump(kind uint16, choose ...byte) ([]netlink.Message, error) {
	for range 10 {
		replies, err := s.conn.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
				Flags: netlink.Request | netlink.Dump,
			},
			Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, choose...),
		})
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil, err
		}
		torn := func(m netlink.Message) bool { return m.Header.Flags&unix.NLM_F_DUMP_INTR != 0 }
		if err == nil && !slices.ContainsFunc(replies, torn) {
			return replies, nil
		}
	}
	return nil, errors.New("the kernel's tables change too often to be read")
}

func nameOf(data []byte, tableAttr, nameAttr uint16) (table, name string, err error) {
	if len(data) < 4 {
		return "", "", errors.New("a reply of nf_tables is too short")
	}
	d, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return "", "", err
	}
	for d.Next() {
		switch d.Type() {
		case tableAttr:
			table = d.String()
		case nameAttr:
			name = d.String()
		}
	}
	return table, name, d.Err()
}
