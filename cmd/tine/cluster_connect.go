package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// passwordVariable holds the password of a cluster's user. It is no flag: everyone on a machine can read command lines.
const passwordVariable = "TINE_PASSWORD"

// uriVariable hands the URI with the password to mongosh; only the same user can read a process's environment.
const uriVariable = "TINE_URI"

func newClusterConnectCommand(o *clientOptions) *cobra.Command {
	var printOnly bool
	cmd := &cobra.Command{
		Use:   "connect CLUSTER",
		Short: "Open mongosh on a cluster, or print its URI",
		Long: `Open mongosh on a cluster, or print its URI if mongosh is not installed or --print is given.

Tine does not know passwords. It takes the one in ` + passwordVariable + `; without that mongosh asks for it, and the
printed URI has a place for it.

Where the cluster is reached by TLS, its CA is kept in a file in the user's cache, and the URI leads to it.`,
		Example: `  tine cluster connect shop
  TINE_PASSWORD=... tine cluster connect shop --print`,
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
			uri, err := c.connectURI(os.Getenv(passwordVariable))
			if err != nil {
				return err
			}
			if uri.needsTLS() {
				path, err := api.saveCA(cmd.Context(), c.ID)
				if err != nil {
					return err
				}
				uri.trust(path)
			}
			shell, err := exec.LookPath("mongosh")
			if printOnly || err != nil {
				return printText(cmd.OutOrStdout(), uri.printable()+"\n")
			}
			argv, env := uri.mongosh(os.Environ())
			// The shell takes this process's place, so that it has the terminal and its signals to itself.
			if err := syscall.Exec(shell, argv, env); err != nil {
				return fmt.Errorf("start %s: %w", shell, err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&printOnly, "print", false, "print the URI")
	return cmd
}

// connectURI is how a cluster is reached, with the password apart because it must not be shown everywhere.
type connectURI struct {
	url      *url.URL // with the user alone
	user     string
	password string
}

func (c cluster) connectURI(password string) (connectURI, error) {
	if c.Status != "online" {
		return connectURI{}, fmt.Errorf("%s is %s, not online", c.Name, c.Status)
	}
	u, err := url.Parse(c.uri())
	if err != nil || u.Host == "" {
		return connectURI{}, errors.New("the API gave no usable URI for " + c.Name)
	}
	u.User = url.User(c.user())
	return connectURI{url: u, user: c.user(), password: password}, nil
}

func (u connectURI) needsTLS() bool {
	query := u.url.Query()
	return query.Get("tls") == "true" || query.Get("ssl") == "true"
}

// trust has clients believe who shows a certificate of the CA in a file; an empty path leaves that to them.
func (u connectURI) trust(path string) {
	if path == "" {
		return
	}
	query := u.url.Query()
	query.Set("tlsCAFile", path)
	u.url.RawQuery = query.Encode()
}

// printable has the password, or a mark where to put it.
func (u connectURI) printable() string {
	if u.password != "" {
		return u.complete()
	}
	return strings.Replace(u.url.String(), "@", ":<password>@", 1)
}

func (u connectURI) complete() string {
	full := *u.url
	full.User = url.UserPassword(u.user, u.password)
	return full.String()
}

// mongosh returns the command line and environment of the shell. The password is never on the command line; without one, mongosh asks for it.
func (u connectURI) mongosh(environ []string) (argv, env []string) {
	if u.password == "" {
		return []string{"mongosh", u.url.String()}, environ
	}
	return []string{"mongosh", "--nodb", "--shell", "--eval", "db = connect(process.env." + uriVariable + ")"},
		append(environ, uriVariable+"="+u.complete())
}
