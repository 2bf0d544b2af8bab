package nft

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
)

// TestParts: what a kernel lacks is named in one sentence, and what has nothing
// to do with it is not taken for it. This kernel has all.
func TestParts(t *testing.T) {
	refuse := func(errno unix.Errno, what ...string) func(*batch) error {
		return func(b *batch) error {
			for _, m := range b.messages {
				for _, w := range what {
					if strings.Contains(string(m.body), "\x01\x00"+w+"\x00") {
						return &batchError{m.what, errno}
					}
				}
			}
			return b.err
		}
	}
	for _, row := range []struct {
		what   string
		commit func(*batch) error
		want   string
	}{
		{"all is there", refuse(0, "no such thing"), ""},
		{"no conntrack", refuse(unix.ENOENT, "ct"), "it lacks CONFIG_NFT_CT, which is needed for open connections and answers; "},
		{"no logs", refuse(unix.EOPNOTSUPP, "log", "limit"), "it lacks CONFIG_NFT_LOG, CONFIG_NFT_LIMIT, which is needed for Log rules; "},
		{"no reject", refuse(unix.ENOENT, "reject"), "it lacks CONFIG_NFT_REJECT_INET, which is needed for answers to what is denied; "},
		{"nothing", refuse(unix.EAFNOSUPPORT, tableName), "it lacks CONFIG_NF_TABLES with CONFIG_NF_TABLES_INET, which is needed for policy; "},
	} {
		err := new(Dataplane).checkKernel(row.commit)
		switch {
		case row.want == "" && err == nil:
		case row.want == "" || !errors.Is(err, dataplane.ErrNotSupported) || !strings.Contains(err.Error(), row.want):
			t.Errorf("%s: %v, want %q", row.what, err, row.want)
		}
	}
	if err := new(Dataplane).checkKernel(refuse(unix.EPERM, "ct")); !errors.Is(err, unix.EPERM) || errors.Is(err, dataplane.ErrNotSupported) {
		t.Errorf("without rights: %v", err)
	}
	l := newLab(t)
	d := l.dataplane()
	s, err := d.open()
	l.must(err)
	l.must(d.checkKernel(func(b *batch) error { return s.commit(t.Context(), b, uncut) }))
	if got := l.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "chain") {
		t.Errorf("left over:\n%s", got)
	}
}
