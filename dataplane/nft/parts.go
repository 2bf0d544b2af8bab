package nft

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// part is a part of the kernel that the dataplane needs: it is there if the
// kernel takes a rule of that kind.
type kernelPart struct {
	config string
	// forWhat completes "without it": what would not work.
	forWhat string
	chain   chain
}

// parts are those that rules of ours can need, beside nf_tables itself.
func parts() []kernelPart {
	plain := func(exprs ...expr.Any) chain { return chain{name: "probe", rules: []rule{{exprs: exprs}}} }
	reject := plain(meta(expr.MetaKeyL4PROTO), equals([]byte{verdict.TCP}), &expr.Reject{Type: rejectReset})
	reject.hook = &hook{num: *nftables.ChainHookForward, priority: 1000}
	return []kernelPart{
		{"CONFIG_NFT_CT", "open connections and answers", plain(&expr.Ct{Key: expr.CtKeySTATE, Register: reg1})},
		{"CONFIG_NFT_LOG", "Log rules", plain(&expr.Log{Key: logKeys, Group: 1, Snaplen: 1, Data: []byte("x")})},
		{"CONFIG_NFT_LIMIT", "Log rules", plain(&expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Unit: expr.LimitTimeSecond, Burst: 1})},
		{"CONFIG_NFT_REJECT_INET", "answers to what is denied", reject},
	}
}

// missing finds out which parts the kernel lacks, by transactions that leave
// nothing behind. The error is one that has nothing to do with parts, such as
// missing rights.
func missing(flags uint32, commit func(*batch) error) (list []kernelPart, err error) {
	try := func(p *kernelPart) error {
		var b batch
		b.glue(func() {
			b.addTable(flags)
			if p != nil {
				b.addChain(p.chain)
				b.flush(p.chain.name)
				b.deleteChain(p.chain.name)
			}
		})
		return commit(&b)
	}
	if err := try(nil); lacks(err) {
		return []kernelPart{{"CONFIG_NF_TABLES with CONFIG_NF_TABLES_INET", "policy", chain{}}}, nil
	} else if err != nil {
		return nil, err
	}
	for _, p := range parts() {
		switch err := try(&p); {
		case lacks(err):
			list = append(list, p)
		case err != nil:
			return nil, err
		}
	}
	return list, nil
}

// lacks reports whether the kernel has refused something because it does not
// know it.
func lacks(err error) bool {
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.ENOENT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// sentence names what the kernel lacks.
func sentence(list []kernelPart) error {
	var names, lost []string
	for _, p := range list {
		names = append(names, p.config)
		if len(lost) == 0 || lost[len(lost)-1] != p.forWhat {
			lost = append(lost, p.forWhat)
		}
	}
	return fmt.Errorf("%w: it lacks %s, which is needed for %s; build it in or load the module (Linux 5.10 or newer)",
		dataplane.ErrNotSupported, strings.Join(names, ", "), strings.Join(lost, ", "))
}

// checkKernel says, once, what the kernel lacks.
func (d *Dataplane) checkKernel(commit func(*batch) error) error {
	if d.checked {
		return nil
	}
	list, err := missing(d.flags, commit)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return sentence(list)
	}
	d.checked = true
	return nil
}
