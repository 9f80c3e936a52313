package api_test

import (
	"net/http"
	"testing"

	"github.com/digitalocean/godo"
)

// As doctl appends and removes: it reads the rules and sends all of them back, with the times empty.
func TestGodoChangesTrustedSources(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	request := createRequest("prod")
	request.Rules = []*godo.DatabaseCreateFirewallRule{{Type: "ip_addr", Value: "192.0.2.7"}}
	made, _, err := databases.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := databases.GetFirewallRules(t.Context(), made.ID)
	if err != nil || len(first) != 1 || first[0].Type != "ip_addr" || first[0].Value != "192.0.2.7" || first[0].ClusterUUID != made.ID ||
		first[0].UUID == "" || first[0].CreatedAt.IsZero() {
		t.Fatalf("the rules are %+v, %v", first, err)
	}
	response, err := databases.UpdateFirewallRules(t.Context(), made.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: []*godo.DatabaseFirewallRule{
		{Type: "ip_addr", Value: "10.0.0.0/8", ClusterUUID: made.ID}, {UUID: first[0].UUID, Type: "ip_addr", Value: "192.0.2.7"},
	}})
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("append: %v, %v", response, err)
	}
	second, _, err := databases.GetFirewallRules(t.Context(), made.ID)
	if err != nil || len(second) != 2 || second[1] != first[0] {
		t.Errorf("the rules are %+v, %v", second, err)
	}
	if rules, _ := b.do(t, http.MethodGet, "/v2/databases/"+made.ID, "").json(t)["database"].(map[string]any)["rules"].([]any); len(rules) != 2 {
		t.Errorf("the cluster has the rules %v", rules)
	}
	if _, err := databases.UpdateFirewallRules(t.Context(), made.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: []*godo.DatabaseFirewallRule{}}); err != nil {
		t.Fatal(err)
	}
	if last, _, err := databases.GetFirewallRules(t.Context(), made.ID); err != nil || len(last) != 0 {
		t.Errorf("after the removal there are %+v, %v", last, err)
	}
}

func TestFirewallRefusesInWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.online(t, "prod")
	path := "/v2/databases/" + made.ID + "/firewall"
	const missing = "rules must be a list; an empty one lets every address connect"
	for body, want := range map[string]string{
		`{}`:              missing,
		`{"rules": null}`: missing,
		`{"rules": {}}`:   "rules must be a list; got object",
		`{"rules": [{"type": "ip_addr", "value": 7}]}`:              "rules.value must be a string; got number",
		`{"rules": [{"type": "ip_addr", "value": "192.0.2.7/24"}]}`: `rules[0].value must be one address, 192.0.2.7, or the block that has it, 192.0.2.0/24; got "192.0.2.7/24"`,
	} {
		b.do(t, http.MethodPut, path, body).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity", want)
	}
	const nobody = "2d28a9d9-4c4a-4540-a3b9-d24d8c4e7d30"
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		b.do(t, method, "/v2/databases/"+nobody+"/firewall", `{"rules": []}`).wantError(t, http.StatusNotFound, "not_found",
			`there is no cluster with the id "`+nobody+`"`)
	}
	if a := b.do(t, http.MethodPut, path, `{"rules": []}`, "Authorization", "Bearer "+b.token(t, "read")); a.status != http.StatusForbidden {
		t.Errorf("a token that may read only is answered with %d", a.status)
	}
}
