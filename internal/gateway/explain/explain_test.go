package explain_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway/explain"
)

var update = flag.Bool("update", false, "write the answers that come out into testdata")

// TestReplies translates the plans in testdata. A file holds the query, the plan and the answer, and is rewritten with
// -update.
func TestReplies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is nothing in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.SplitN(string(content), "\n-- ", 3)
			if len(parts) < 2 {
				t.Fatal("the file is not QUERY -- plan PLAN -- reply REPLY")
			}
			plan := strings.TrimPrefix(parts[1], "plan\n")
			reply, err := explain.Reply([]byte(plan), query(t, parts[0]))
			if err != nil {
				t.Fatal(err)
			}
			got, err := bson.MarshalExtJSONIndent(reply, false, false, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"documents_", "documentdb", "bson_", "shard_key", "agg_stage"} {
				if bytes.Contains(got, []byte(secret)) {
					t.Errorf("the answer tells %q", secret)
				}
			}
			all := parts[0] + "\n-- plan\n" + plan + "\n-- reply\n" + string(got) + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if all != string(content) {
				t.Errorf("the answer is not that of the file but\n%s", got)
			}
		})
	}
}

// query reads a query from extended JSON.
func query(tb testing.TB, text string) explain.Query {
	tb.Helper()
	var q struct {
		Command, Namespace, Verbosity string
		Filter, Sort, Projection      bson.Raw
		Skip, Limit                   int64
		Sorts                         bool
		Keys                          map[string]bson.Raw
	}
	if err := bson.UnmarshalExtJSON([]byte(text), false, &q); err != nil {
		tb.Fatal(err)
	}
	return explain.Query{
		Command: q.Command, Namespace: q.Namespace, Verbosity: explain.Verbosity(q.Verbosity), Filter: q.Filter, Sort: q.Sort,
		Projection: q.Projection, Skip: q.Skip, Limit: q.Limit, Sorts: q.Sorts, Keys: q.Keys,
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`[{"Plan": {"Node Type": "Limit", "Plans": [{"Node Type": "Seq Scan"}]}}]`), "find")
	f.Add([]byte(`[{"Plan": {"Node Type": "Index Scan", "Index Name": "a", "IndexDetails": [{"indexName": "a", "indexBounds": ["[\"a\": [1, 2]"]}]}}]`), "count")
	f.Add([]byte(`[{"Plan": {"Node Type": "Nested Loop"}}]`), "aggregate")
	f.Fuzz(func(t *testing.T, plan []byte, command string) {
		reply, err := explain.Reply(plan, explain.Query{Command: command, Verbosity: explain.AllPlansExecution})
		if err != nil {
			return
		}
		if _, err := json.Marshal(reply); err != nil && !strings.Contains(err.Error(), "unsupported value") {
			t.Error(err)
		}
	})
}
