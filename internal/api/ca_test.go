package api_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"tine/internal/api"
	"tine/internal/catalog"
	"tine/internal/fleet"
	"tine/internal/store"
)

// withTLS is a fleet whose clusters need TLS and have this CA.
func withTLS(t *testing.T, certificate string) func(*api.Config) {
	t.Helper()
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *api.Config) {
		s, ok := cfg.Auth.(*store.Store)
		if !ok {
			t.Fatal("tokens come from elsewhere")
		}
		cfg.Fleet = fleet.New(fleet.Config{
			Store: s, Catalog: c, Host: "local", GatewayHost: "tine.example.com",
			Ports: store.PortRange{First: 28000, Last: 29999}, TLS: true,
			CA: func() ([]byte, error) {
				if certificate == "" {
					return nil, nil
				}
				return []byte(certificate), nil
			},
		})
	}
}

func TestGodoGetsTheCA(t *testing.T) {
	t.Parallel()
	const certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	b := setup(t, withTLS(t, certificate))
	made := b.online(t, "prod")
	ca, _, err := b.godo(t, b.secret).Databases.GetCA(t.Context(), made.ID)
	if err != nil || string(ca.Certificate) != certificate {
		t.Errorf("the CA is %+v, %v", ca, err)
	}
	body, _ := b.do(t, http.MethodGet, "/v2/databases/"+made.ID+"/ca", "").json(t)["ca"].(map[string]any)
	if text, _ := body["certificate"].(string); text != base64.StdEncoding.EncodeToString([]byte(certificate)) {
		t.Errorf("the body is %v", body)
	}
	if !made.Connection.SSL || !strings.Contains(made.Connection.URI, "&tls=true") {
		t.Errorf("the connection is %+v", made.Connection)
	}
	const nobody = "2d28a9d9-4c4a-4540-a3b9-d24d8c4e7d30"
	b.do(t, http.MethodGet, "/v2/databases/"+nobody+"/ca", "").wantError(t, http.StatusNotFound, "not_found",
		`there is no cluster with the id "`+nobody+`"`)
}

// Who shows a certificate that everybody trusts has no CA to give.
func TestWithoutACAThereIsASentence(t *testing.T) {
	t.Parallel()
	b := setup(t, withTLS(t, ""))
	made := b.online(t, "prod")
	b.do(t, http.MethodGet, "/v2/databases/"+made.ID+"/ca", "").wantError(t, http.StatusNotFound, "not_found",
		"there is no CA certificate to download: the certificate of this Tine is its operator's, and clients trust it without one")
}
