package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"
)

func newClusterCACommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "ca CLUSTER",
		Short: "Print the CA certificate that a cluster's clients need",
		Long: `Print the CA certificate, in PEM form, that clients need to trust a cluster's TLS. Drivers and mongosh take its file by the
option tlsCAFile.`,
		Example:           `  tine cluster ca shop > ca.crt`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			c, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			answer, err := api.ca(cmd.Context(), c.ID)
			if err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), answer.raw)
			}
			return printText(cmd.OutOrStdout(), string(answer.Certificate))
		},
	}
}

// caCertificate is the API's.
type caCertificate struct {
	Certificate []byte `json:"certificate"`

	raw json.RawMessage
}

func (c *client) ca(ctx context.Context, id string) (caCertificate, error) {
	var root struct {
		CA json.RawMessage `json:"ca"`
	}
	if err := c.call(ctx, http.MethodGet, clustersPath+"/"+url.PathEscape(id)+"/ca", nil, &root); err != nil {
		return caCertificate{}, err
	}
	ca := caCertificate{raw: root.CA}
	if err := json.Unmarshal(root.CA, &ca); err != nil {
		return caCertificate{}, fmt.Errorf("decode CA: %w", err)
	}
	return ca, nil
}

// saveCA keeps the CA of a cluster in a file of the user's and returns its path; an empty one if clients need none. The file is named
// after what it holds, so that the URI of another Tine never leads to it.
func (c *client) saveCA(ctx context.Context, id string) (string, error) {
	ca, err := c.ca(ctx, id)
	if answer, ok := errors.AsType[*godo.ErrorResponse](err); ok && answer.Response.StatusCode == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the CA: %w", err)
	}
	const unique = 8
	hash := sha256.Sum256(ca.Certificate)
	path := filepath.Join(cache, "tine", "ca-"+hex.EncodeToString(hash[:unique])+".crt")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("save the CA: %w", err)
	}
	if err := writeFile(path, string(ca.Certificate)); err != nil {
		return "", fmt.Errorf("save the CA: %w", err)
	}
	return path, nil
}
