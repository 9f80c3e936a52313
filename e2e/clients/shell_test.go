package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// lines is what a person types, one line after the other.
const lines = `use shop
for (let i = 0; i < 50; i++) { db.c.insertOne({_id: i}) }
show dbs
show collections
db.c.find({}, {_id: 1})
it
it
show log startupWarnings
db.nothing.find()
db.c.find({$where: 'this.n == 1'})
exit
`

// mongosh as people use it shows what it should, and no warnings about the server.
func TestMongoshInteractively(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	cmd := exec.CommandContext(t.Context(), node, mongosh, newCluster(t, shared))
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(lines)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mongosh: %v\n%s", err, out)
	}
	shown := string(out)
	for _, want := range []string{
		"Using MongoDB:\t\t8.0.", "[primary] admin> switched to db shop", "\nshop  ", "[primary] shop> c\n",
		"{ _id: 0 }", "{ _id: 39 }", `Type "it" for more`, "{ _id: 49 }", "MongoServerError[BadValue]: ",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("mongosh does not show %q", want)
		}
	}
	for _, bad := range []string{"The server generated these startup warnings", "not available", "no such command", "Warning: Found"} {
		if strings.Contains(shown, bad) {
			t.Errorf("mongosh shows %q", bad)
		}
	}
	if t.Failed() {
		t.Log(shown)
	}
}
