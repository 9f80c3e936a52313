package main

import (
	"time"

	"github.com/spf13/cobra"
)

// forkRequest is a request for a fork, with what godo does not know.
type forkRequest struct {
	*createRequest

	Source forkSource `json:"backup_restore"`
}

type forkSource struct {
	Name   string `json:"database_name"`
	At     string `json:"backup_created_at,omitempty"`
	Before string `json:"before_transaction,omitempty"`
	After  string `json:"after_transaction,omitempty"`
}

func newClusterForkCommand(o *clientOptions) *cobra.Command {
	var s shape
	var at, before, after string
	var fresh bool
	cmd := &cobra.Command{
		Use:   "fork SOURCE NAME",
		Short: "Make a new cluster from another one, as it is now or was at a moment of its history",
		Long: `Fork the cluster SOURCE, given by its name or id, into a new cluster NAME with all of its databases, users and settings.
The source goes on undisturbed, and neither ever sees the other's writes.

A fork holds all writes that were acknowledged before the moment it is made at, and none that began after it. Without --at that
is the moment when the request arrives; ` + "`tine cluster history SOURCE`" + ` shows how far back it can be. The fork's
doadmin gets a new password; all other users keep theirs.

With --before or --after, the fork is made at one transaction of the history, as ` + "`tine cluster history SOURCE --transactions`" + `
lists them: without it and everything behind it, or with it.`,
		Example: `  tine cluster fork shop shop-test --wait
  tine cluster fork shop shop-before --at 2026-08-01T18:42:26.999Z --wait
  tine cluster fork shop shop-undrop --before 0/3A2F198 --wait
  tine cluster fork shop shop-small --at 2h --size db-s-1vcpu-1gb`,
		Args:              takes("SOURCE", "NAME"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := atMostOne(cmd, "at", "before", "after"); err != nil {
				return err
			}
			request, err := s.request(args[1])
			if err != nil {
				return err
			}
			request.FreshPasswords = fresh
			fork := forkRequest{createRequest: request, Source: forkSource{Before: before, After: after}}
			if at != "" {
				moment, err := parseMoment(at, time.Now())
				if err != nil {
					return err
				}
				fork.Source.At = formatMoment(moment)
			}
			api, err := o.client()
			if err != nil {
				return err
			}
			source, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fork.Source.Name = source.Name
			return o.make(cmd, api, fork, s.wait)
		},
	}
	s.addFlags(cmd, o, "default: as the source", "default: as the source", "default: as the source")
	cmd.Flags().StringVar(&at, "at", "", "`moment` to fork at: "+momentForms+" (default: now)")
	cmd.Flags().BoolVar(&fresh, "fresh-passwords", false, "new passwords for all users, not only doadmin; they are shown this once")
	cmd.Flags().StringVar(&before, "before", "", "`transaction` to fork right before")
	cmd.Flags().StringVar(&after, "after", "", "`transaction` to fork right after")
	return cmd
}
