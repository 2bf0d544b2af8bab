package refusals_test

import (
	"testing"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/test/refusals"
)

// TestOffline holds each row to one Problem that refuses, with its place and,
// where there is one to give, what to do.
func TestOffline(t *testing.T) {
	rows, err := refusals.Rows()
	if err != nil || len(rows) < 70 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		text, err := row.Text()
		if err != nil {
			t.Fatal(err)
		}
		var refused []model.Problem
		for _, p := range problems(text) {
			if server.Refuses(p) {
				refused = append(refused, p)
			}
		}
		if len(refused) != 1 {
			t.Errorf("%s%v", text, refused)
			continue
		}
		p := refused[0]
		if p.Code != row.Code || p.Path != row.Path || p.Message != row.Message || p.Line == 0 || p.Column == 0 || p.File == "" {
			t.Errorf("%sgot  %s %s\nwant %s %s: %s", text, p.Code, p, row.Code, row.Path, row.Message)
		}
	}
}

func problems(text []byte) []model.Problem {
	docs, all := manifest.Parse("row.yaml", text)
	objects, more := manifest.Objects(docs)
	_, rest := manifest.State(objects)
	return append(append(all, more...), rest...)
}
