package nft

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/verdict"
)

// logBook knows the chain of each Log rule: one, however many rows it is in, so
// that the limit holds for the rule. Chains are numbered as they come, and no
// number is given twice in an epoch.
type logBook struct {
	byRule map[string]*logUse
	last   int
}

type logUse struct {
	number, uses int
}

func newLogBook() *logBook { return &logBook{byRule: map[string]*logUse{}} }

func (n names) logRule(number int) string { return n.of("log-" + strconv.Itoa(number)) }

// rules are the Log rules of an effect, in order.
func (e effect) rules() []string {
	if e.logs == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(e.logs, "\x00"), "\x00")
}

// logRules makes the Log rules of a shape known, each as often as the shape has
// it, and returns them with the chains that they need and that were not there.
func (b builder) logRules(s shape) (rules []string, chains []chain) {
	rules = s.other.rules()
	for _, p := range s.protocols {
		for _, band := range p.bands {
			for _, c := range band.cells {
				rules = append(rules, c.effect.rules()...)
			}
		}
	}
	for _, r := range rules {
		if b.book.logs.enter(r) {
			chains = append(chains, b.ruleChain(r))
		}
	}
	return rules, chains
}

// enter counts a use of a rule and reports whether it is the first.
func (k *logBook) enter(rule string) bool {
	u := k.byRule[rule]
	if u == nil {
		k.last++
		u = &logUse{number: k.last}
		k.byRule[rule] = u
	}
	u.uses++
	return u.uses == 1
}

// leave forgets one use of each rule and returns the numbers of those that have
// none left.
func (k *logBook) leave(rules []string) (gone []int) {
	for _, r := range rules {
		u := k.byRule[r]
		if u.uses--; u.uses == 0 {
			delete(k.byRule, r)
			gone = append(gone, u.number)
		}
	}
	return gone
}

// ruleChain sends what the limit lets through to the log group, and counts the
// rest.
func (b builder) ruleChain(text string) chain {
	return chain{name: b.logRule(b.book.logs.byRule[text].number), comment: shorten(text, ""), rules: []rule{
		{exprs: []expr.Any{
			b.logLimit(),
			&expr.Log{Key: logKeys, Group: b.logGroup, Snaplen: logSnaplen, Data: []byte(logPrefix(b.settings.LogPrefix, text))},
			back,
		}},
		{exprs: []expr.Any{&expr.Counter{}}, comment: notLogged},
	}}
}

// notLogged is the comment of the rule that counts what the limit held back.
const notLogged = "over the limit, not logged"

// logChain leads to the Log rules that a packet met, in order, and then to the
// verdict.
func (b builder) logChain(name string, stage verdict.Stage, e effect) chain {
	c := chain{name: name}
	for _, r := range e.rules() {
		c.rules = append(c.rules, to(jumpTo(b.logRule(b.book.logs.byRule[r].number))))
	}
	c.rules = append(c.rules, to(b.plain(stage, e)))
	return c
}

// logLimit is how much a Log rule may say: what the settings allow it, or what
// the dataplane was told to where they say nothing.
func (b builder) logLimit() *expr.Limit {
	if b.settings.LogRate == 0 {
		return &expr.Limit{Type: expr.LimitTypePkts, Rate: b.logRate, Unit: expr.LimitTimeSecond, Burst: b.logBurst}
	}
	per := expr.LimitTime(max(b.settings.LogPer, 1))
	burst := b.settings.LogBurst
	if burst == 0 {
		burst = 5 // as the kernel's own
	}
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(b.settings.LogRate), Unit: per, Burst: burst}
}

// Unlogged returns how many packets each Log rule has not logged, since its
// chain was made, because they were over the limit. Rules that have logged all
// are not in it. It implements dataplane.LogCounter.
func (d *Dataplane) Unlogged() (map[string]uint64, error) {
	d.Lock()
	defer d.Unlock()
	if d.now == nil || d.socket == nil {
		return nil, nil
	}
	out := map[string]uint64{}
	for text, use := range d.now.book.logs.byRule {
		n, err := d.socket.counted(d.now.logRule(use.number))
		if err != nil {
			return nil, explain(err)
		}
		if n > 0 {
			out[text] = n
		}
	}
	return out, nil
}

// counted returns the sum of the counters in a chain's rules, in packets.
func (s *socket) counted(chain string) (packets uint64, err error) {
	var a attrs
	a.text(unix.NFTA_RULE_TABLE, tableName)
	a.text(unix.NFTA_RULE_CHAIN, chain)
	replies, err := s.dump(unix.NFT_MSG_GETRULE, a...)
	if err != nil {
		return 0, err
	}
	for _, r := range replies {
		_, found, err := nameOf(r.Data, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN)
		if err != nil {
			return 0, err
		}
		if found != chain {
			continue
		}
		n, err := counterIn(r.Data[4:])
		if err != nil {
			return 0, err
		}
		packets += n
	}
	return packets, nil
}

// counterIn reads the counters of a rule.
func counterIn(data []byte) (packets uint64, err error) {
	d, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return 0, err
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		if d.Type() != unix.NFTA_RULE_EXPRESSIONS {
			continue
		}
		d.Nested(func(list *netlink.AttributeDecoder) error {
			for list.Next() {
				list.Nested(func(e *netlink.AttributeDecoder) error {
					name := ""
					for e.Next() {
						switch e.Type() {
						case unix.NFTA_EXPR_NAME:
							name = e.String()
						case unix.NFTA_EXPR_DATA:
							if name != "counter" {
								continue
							}
							e.Nested(func(c *netlink.AttributeDecoder) error {
								for c.Next() {
									if c.Type() == unix.NFTA_COUNTER_PACKETS {
										packets += c.Uint64()
									}
								}
								return nil
							})
						}
					}
					return nil
				})
			}
			return nil
		})
	}
	return packets, d.Err()
}
