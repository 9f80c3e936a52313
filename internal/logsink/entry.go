package logsink

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// entry is one log of Datadog's. Attributes of slow operations are beside the fields that Datadog knows.
type entry map[string]any

// nodeLine is how PostgreSQL begins a message, with the prefix that nodes have.
var nodeLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[(\d+)\] ([A-Z0-9]+):  (.*)$`)

// statusOf is what Datadog calls a severity; empty for what is no message of its own but may repeat statements and values.
func statusOf(severity string) string {
	switch severity {
	case "LOG", "INFO", "NOTICE":
		return "info"
	case "WARNING":
		return "warn"
	case "ERROR":
		return "error"
	case "FATAL":
		return "critical"
	case "PANIC":
		return "emergency"
	default:
		return ""
	}
}

// nodeEntries reads a node's log, at most that many entries, and says how many bytes they took.
func nodeEntries(text []byte, most int) (entries []entry, used int) {
	var message *strings.Builder // of the entry that goes on; nil while lines are left out
	finish := func() {
		if message != nil {
			entries[len(entries)-1]["message"] = message.String()
		}
	}
	for line := range bytes.Lines(text) {
		content := strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "\uFFFD")
		if continued := strings.HasPrefix(content, "\t"); continued {
			if message != nil {
				message.WriteString("\n" + content[1:])
			}
			used += len(line)
			continue
		}
		e := entryOf(content)
		if e != nil && len(entries) == most {
			break
		}
		finish()
		message = nil
		if e != nil {
			message = new(strings.Builder)
			message.WriteString(e["message"].(string)) //nolint:errcheck,forcetypeassert // entryOf made it
			entries = append(entries, e)
		}
		used += len(line)
	}
	finish()
	return entries, used
}

// entryOf is a line that begins a message, or nil for one that is left out.
func entryOf(content string) entry {
	if content == "" {
		return nil
	}
	m := nodeLine.FindStringSubmatch(content)
	if m == nil {
		return entry{"message": content, "status": "info", "log": "node"} // of something else that runs in the node
	}
	status := statusOf(m[3])
	if status == "" {
		return nil
	}
	e := entry{"message": m[4], "status": status, "log": "node", "pid": m[2]}
	if at, err := time.Parse("2006-01-02 15:04:05.000", m[1]); err == nil {
		e["timestamp"] = at.Format(time.RFC3339Nano)
	}
	return e
}

// slowEntries reads a log of slow operations, as writeSlow wrote it.
func slowEntries(text []byte, most int) (entries []entry, used int) {
	for line := range bytes.Lines(text) {
		if len(entries) == most {
			break
		}
		used += len(line)
		var e entry
		if json.Unmarshal(line, &e) == nil && e != nil { // a line that a kill has cut is left out
			entries = append(entries, e)
		}
	}
	return entries, used
}
