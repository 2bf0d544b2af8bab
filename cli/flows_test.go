package cli

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// TestFlowLines: a record as people and spreadsheets read it.
func TestFlowLines(t *testing.T) {
	block := verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}
	at := time.Date(2026, 11, 25, 14, 3, 7, 120e6, time.Local)
	from := flow.End{Kind: flow.Pod, Namespace: "red", Name: "fe-1", Address: netip.MustParseAddr("10.0.0.1")}
	to := flow.End{Kind: flow.NetSet, Name: "banks", Address: netip.MustParseAddr("192.0.2.1")}
	by := func(v verdict.Verdict, r verdict.Reason, steps ...verdict.Step) *flow.Decision {
		return &flow.Decision{Trace: verdict.Trace{Verdict: v, Reason: r, Steps: steps}}
	}
	for _, row := range []struct {
		r    flow.Record
		line string
		csv  string
	}{
		{flow.Record{Egress: by(verdict.Deny, verdict.ByRule, verdict.Step{Tier: "sec", Policy: block, Rule: 2, Action: verdict.ActionDeny}), Connections: 3, Protocol: "TCP", Port: 443, Node: "n1"},
			"14:03:07.120 deny  red/fe-1 -> 192.0.2.1 (banks) tcp/443 x3  egress: rule 2 of GlobalNetworkPolicy//block in tier sec",
			",deny,3,red/fe-1,192.0.2.1 (banks),TCP,443,egress,rule,sec,GlobalNetworkPolicy//block,2,,0,0,n1,10.0.0.1,,192.0.2.1"},
		{flow.Record{Ingress: by(verdict.Deny, verdict.ByTierDefault, verdict.Step{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny}), Connections: 1, Protocol: "ICMP", ICMP: "8/0", SourcePort: 7},
			"14:03:07.120 deny  red/fe-1 -> 192.0.2.1 (banks) icmp/8/0  ingress: end of tier default",
			",deny,1,red/fe-1,192.0.2.1 (banks),ICMP,8/0,ingress,tier default,default,,,,0,0,,10.0.0.1,7,192.0.2.1"},
		{flow.Record{Verdict: flow.Verdict(verdict.Allow), Egress: by(verdict.Allow, verdict.NoPolicyApplies), Ended: true, Protocol: "UDP", Port: 53, Out: flow.Volume{Bytes: 100}, In: flow.Volume{Bytes: 20 << 10},
			Pending: &flow.Pending{Verdict: flow.Verdict(verdict.Deny)}},
			"14:03:07.120 allow red/fe-1 -> 192.0.2.1 (banks) udp/53 ended 100 B out, 20 KiB in  egress: no policy applies  staged: denied",
			",allow,0,red/fe-1,192.0.2.1 (banks),UDP,53,egress,no policy applies,,,,denied,100,20480,,10.0.0.1,,192.0.2.1"},
		{flow.Record{Logged: &flow.Logged{Prefix: "fw A", Tier: "sec", Policy: block.String(), Rule: 2, Direction: "egress", Packets: 3}, Verdict: flow.Verdict(verdict.Allow), Ended: true,
			Egress: by(verdict.Allow, verdict.NoPolicyApplies), Protocol: "UDP", Port: 53},
			`14:03:07.120 log   red/fe-1 -> 192.0.2.1 (banks) udp/53 x3  egress: rule 2 of GlobalNetworkPolicy//block in tier sec, "fw A"`,
			",log,0,red/fe-1,192.0.2.1 (banks),UDP,53,egress,logged,sec,GlobalNetworkPolicy//block,2,,0,0,,10.0.0.1,,192.0.2.1"},
	} {
		row.r.Source, row.r.Destination, row.r.Last = from, to, at
		for format, want := range map[string]string{"text": row.line, "csv": row.csv} {
			var out bytes.Buffer
			p := newFlowPrinter(&out, format)
			if err := p.print(&row.r); err != nil {
				t.Fatal(err)
			}
			if err := p.flush(); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			got := lines[len(lines)-1]
			if format == "csv" {
				_, rest, _ := strings.Cut(got, ",")
				got = "," + rest
				if len(lines) != 2 || !strings.HasPrefix(lines[0], "time,verdict,") {
					t.Errorf("csv: %q", lines)
				}
			}
			if got != want {
				t.Errorf("%s:\n got %q\nwant %q", format, got, want)
			}
		}
	}
}

// TestFlowFlags: what the flags of flows and stats mean.
func TestFlowFlags(t *testing.T) {
	now := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		protocol string
		port     uint16
	}{"80": {"tcp", 80}, "tcp/443": {"tcp", 443}, "udp/53": {"udp", 53}, "icmp": {"icmp", 0}} {
		o := flowFilter{port: text, rule: -1}
		f, err := o.filter(now)
		if err != nil || f.Protocol != want.protocol || f.Port != want.port || f.Rule != nil {
			t.Errorf("--port %s: %+v %v", text, f, err)
		}
	}
	o := flowFilter{since: "10m", until: "2026-11-25T14:00:00Z", rule: 0, last: 5}
	if f, err := o.filter(now); err != nil || !f.Since.Equal(now.Add(-10*time.Minute)) || !f.Until.Equal(now) || f.Rule == nil || *f.Rule != 0 || f.Limit != 5 {
		t.Errorf("%+v %v", f, err)
	}
	for _, bad := range []flowFilter{{port: "tcp/x"}, {since: "yesterday"}, {until: "soon"}} {
		if _, err := bad.filter(now); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	for text, want := range map[string]string{"p": "StagedGlobalNetworkPolicy//p", "blue/p": "StagedNetworkPolicy/blue/p", "KubernetesNetworkPolicy/blue/p": "StagedKubernetesNetworkPolicy/blue/p", "StagedNetworkPolicy/blue/p": "StagedNetworkPolicy/blue/p"} {
		if id, err := stagedID(text); err != nil || id.String() != want {
			t.Errorf("%s is %s, %v", text, id, err)
		}
	}
	if _, err := stagedID("a/b/c/d"); err == nil {
		t.Error("a/b/c/d was taken")
	}
}
