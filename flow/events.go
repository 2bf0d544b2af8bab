package flow

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// maxEvent is more than an event has, in bytes.
const maxEvent = 4 << 20

// Write writes the event as one of a stream of server-sent events.
func (e Event) Write(w io.Writer) error {
	kind, value := "flow", any(e.Record)
	if e.Record == nil {
		kind, value = "lost", e.Lost
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("event of flows: %w", err)
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, data)
	return err
}

// ReadEvents calls take with each event of a stream, until that ends, which is no
// error, or take returns an error.
func ReadEvents(r io.Reader, take func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	kind := ""
	for lines.Scan() {
		line := lines.Text()
		if k, ok := strings.CutPrefix(line, "event: "); ok {
			kind = k
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e Event
		to := any(&e.Lost)
		if kind == "flow" {
			e.Record = new(Record)
			to = e.Record
		}
		if err := json.Unmarshal([]byte(data), to); err != nil {
			return fmt.Errorf("event of flows: %w", err)
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return lines.Err()
}
