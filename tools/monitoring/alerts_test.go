package monitoring

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// alert is when an alert comes, and when it does not. Series are as promqltest
// writes them, a value a minute from 0 on.
type alert struct{ fires, quiet []string }

const policyDeny = `tierwall_policy_connections_total{action="deny",tier="default",`

var alerts = map[string]alert{
	"TierwallNoLeader": {
		fires: []string{
			`tierwall_server_leader{instance="a"} 1x5 0x60` + "\n" + `tierwall_server_leader{instance="b"} 0x65`,
			`tierwall_server_leader{instance="a"} 1x65` + "\n" + `tierwall_server_leader{instance="b"} 1x65`,
			`up 1x65`,
		},
		quiet: []string{
			`tierwall_server_leader{instance="a"} 1x65` + "\n" + `tierwall_server_leader{instance="b"} 0x65`,
			`tierwall_server_leader{instance="a"} 1x9 0 1x50`, // it changes hands
		},
	},
	"TierwallApplyFails": {
		fires: []string{`tierwall_agent_applies_total{outcome="failed",instance="a"} 0+1x65`},
		quiet: []string{`tierwall_agent_applies_total{outcome="failed",instance="a"} 7x65`, `tierwall_agent_applies_total{outcome="ok",instance="a"} 0+1x65`,
			`tierwall_agent_applies_total{outcome="failed",instance="a"} 0x20 1x45`},
	},
	"TierwallNodesBehind": {
		fires: []string{`tierwall_server_nodes{state="behind"} 0x10 2x50`},
		quiet: []string{`tierwall_server_nodes{state="behind"} 0x10 1x2 0x50`, `tierwall_server_nodes{state="in_step"} 5x65`},
	},
	"TierwallNodesSilent": {
		fires: []string{`tierwall_server_nodes{state="silent"} 0x10 1x50`, `tierwall_server_nodes{state="no_agent"} 1x65`},
		quiet: []string{`tierwall_server_nodes{state="silent"} 0x10 1x5 0x50`, `tierwall_server_nodes{state="behind"} 3x65`},
	},
	"TierwallPodsUnplaced": {
		fires: []string{`tierwall_agent_pods_unplaced{instance="a"} 0x10 1x50`},
		quiet: []string{`tierwall_agent_pods_unplaced{instance="a"} 0x10 1x3 0x50`},
	},
	"TierwallTampered": {
		fires: []string{`tierwall_agent_drift_total{instance="a"} 0x10 1x50`},
		quiet: []string{`tierwall_agent_drift_total{instance="a"} 4x65`},
	},
	"TierwallManyDenied": {
		fires: []string{
			policyDeny + `rule="1",name="p"} 0+120x65`,
			policyDeny + `rule="tier default",name=""} 0+120x65`,
		},
		quiet: []string{
			policyDeny + `rule="1",name="p"} 0+30x65`,
			policyDeny + `rule="tier default",name="p"} 0+120x65`, // what is counted beside
			policyDeny + `rule="1",name="p"} 0+120x3000`,          // as a day ago
			`tierwall_policy_connections_total{action="allow",rule="1"} 0+600x65`,
		},
	},
	"TierwallFlowsLost": {
		fires: []string{`tierwall_server_flows_lost_total{what="denied"} 0+1x65`},
		quiet: []string{`tierwall_server_flows_lost_total{what="logged"} 0+9x65`, `tierwall_server_flows_lost_total{what="events"} 3x65`},
	},
	"TierwallFlowsNotStored": {
		fires: []string{`tierwall_server_flows_failed_batches_total{instance="a"} 0+4x65`},
		quiet: []string{`tierwall_server_flows_failed_batches_total{instance="a"} 0x20 1x45`},
	},
	"TierwallFlowsDamaged": {
		fires: []string{`tierwall_server_flows_damaged_total{instance="a"} 0x10 1x50`},
		quiet: []string{`tierwall_server_flows_damaged_total{instance="a"} 1x65`},
	},
	"TierwallFlowsDisagree": {
		fires: []string{`tierwall_agent_flows_disagreements_total{instance="a"} 0x10 1x50`},
		quiet: []string{`tierwall_agent_flows_disagreements_total{instance="a"} 0x65`},
	},
	"TierwallFlowsExportFails": {
		fires: []string{`tierwall_server_flows_export_failures_total{instance="a"} 0+1x65`},
		quiet: []string{`tierwall_server_flows_export_failures_total{instance="a"} 0x20 2x45`},
	},
	"TierwallNamesFull": {
		fires: []string{`tierwall_agent_dns_full{instance="a"} 0x10 1x50`},
		quiet: []string{`tierwall_agent_dns_full{instance="a"} 0x65`},
	},
	"TierwallNamesLate": {
		fires: []string{`tierwall_agent_dns_late_total{instance="a"} 0x10 5x50`},
		quiet: []string{`tierwall_agent_dns_late_total{instance="a"} 5x65`},
	},
}

// TestAlerts: each alert comes when it should, and not else.
func TestAlerts(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000)
	for _, r := range rules(t) {
		a, ok := alerts[r.Alert]
		if !ok || len(a.fires) == 0 || len(a.quiet) == 0 {
			t.Errorf("%s is not tested", r.Alert)
			continue
		}
		for _, series := range a.fires {
			if !fires(t, engine, r.Expr, time.Duration(r.For), series) {
				t.Errorf("%s does not come with %s", r.Alert, series)
			}
		}
		for _, series := range a.quiet {
			if fires(t, engine, r.Expr, time.Duration(r.For), series) {
				t.Errorf("%s comes with %s", r.Alert, series)
			}
		}
	}
}

// fires reports whether an expression has a series that stays for a time, looked at
// each minute of the last hour that there is.
func fires(t *testing.T, engine *promql.Engine, expr string, holds time.Duration, series string) bool {
	t.Helper()
	text := "load 1m\n"
	for line := range strings.SplitSeq(series, "\n") {
		text += "\t" + line + "\n"
	}
	storage := promqltest.LoadedStorage(t, text)
	end := time.UnixMilli(storage.Head().MaxTime())
	query, err := engine.NewRangeQuery(context.Background(), storage, nil, expr, end.Add(-time.Hour), end, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result, err := query.Exec(context.Background()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	for _, s := range result {
		since := int64(-1)
		for i, p := range s.Floats {
			if i == 0 || p.T-s.Floats[i-1].T > time.Minute.Milliseconds() {
				since = p.T
			}
			if p.T-since >= holds.Milliseconds() {
				return true
			}
		}
	}
	return false
}
