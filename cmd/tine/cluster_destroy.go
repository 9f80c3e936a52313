package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newClusterDestroyCommand(o *clientOptions) *cobra.Command {
	var yes bool
	var wait waitOptions
	cmd := &cobra.Command{
		Use:   "destroy CLUSTER",
		Short: "Destroy a cluster with its data and its history, for good",
		Long: `Destroy a cluster with its data and its history, for good. Its forks live on.

On a terminal the name must be typed to confirm; elsewhere --yes must be given.`,
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
			if !yes {
				if err := confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), c.Name); err != nil {
					return err
				}
			}
			if err := api.call(cmd.Context(), http.MethodDelete, clustersPath+"/"+url.PathEscape(c.ID), nil, nil); err != nil {
				return err
			}
			if wait.enabled {
				if err := api.waitGone(cmd.Context(), c, wait.atMost()); err != nil {
					return err
				}
				note(cmd.ErrOrStderr(), "%s is destroyed.", c.Name)
				return nil
			}
			note(cmd.ErrOrStderr(), "%s is being destroyed.", c.Name)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "f", false, "do not ask")
	wait.addFlags(cmd, "wait until nothing of the cluster is left")
	return cmd
}

// confirm asks a person to type the name of what is going to be destroyed.
func confirm(in io.Reader, out io.Writer, name string) error {
	if !isTerminal(in) {
		return &usageError{"there is no terminal to confirm the destruction on: give --yes"}
	}
	_, _ = fmt.Fprintf(out, "This destroys %s with its data and its history, for good. Type its name to go on: ", name)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read confirmation: %w", err)
	}
	if strings.TrimSpace(answer) != name {
		return fmt.Errorf("nothing was destroyed: %q is not %q", strings.TrimSpace(answer), name)
	}
	return nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
