package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

func TestInsightsLogsAndHistoryShowAClusterAtWork(t *testing.T) {
	t.Parallel()
	c := makeCluster(t, harness.CreateRequest(newName("busy")))
	orders := connect(t, c.Connection.URI).Database("shop").Collection("orders")
	p := loggedIn(t)
	database := "/databases/" + c.ID
	note := strings.Repeat("x", 10_000)
	// A sample is taken every second; until one tells of them, there are more writes.
	p.until("insights have writes, processor time and memory", func() bool {
		if _, err := orders.InsertMany(t.Context(), []any{bson.D{{Key: "note", Value: note}}, bson.D{{Key: "note", Value: note}}}); err != nil {
			t.Fatal(err)
		}
		p.visit(database + "/insights")
		var table string
		p.do(chromedp.Evaluate(`document.querySelector("#chart-1")?.closest("section").querySelector("table").textContent ?? ""`, &table))
		return strings.Contains(table, "writes ") && !strings.Contains(table, "writes 0/s") && strings.Contains(p.text(".charts section:nth-child(4) strong"), "MiB") &&
			strings.Contains(p.text(".charts section:nth-child(6) strong"), "MiB") && p.text(".charts section:nth-child(5) strong") != "0 %"
	})
	p.want(".charts section:nth-child(1) .hint", "of 100")
	p.visit(database + "/history")
	var bars int
	p.do(chromedp.Evaluate(`document.querySelectorAll(".timeline .bar").length`, &bars))
	if bars == 0 {
		t.Error("the timeline shows no activity")
	}
	p.visit(database + "/logs")
	p.want(".log", "database system is ready to accept connections")
}
