package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"
)

// statusOnline is the API's word for a cluster that nothing is done to.
const statusOnline = "online"

// waitOptions are the flags of commands that can wait for what they began.
type waitOptions struct {
	enabled bool
	timeout patience
}

func (w *waitOptions) addFlags(cmd *cobra.Command, usage string) {
	w.timeout = patience(10 * time.Minute)
	cmd.Flags().BoolVar(&w.enabled, "wait", false, usage)
	cmd.Flags().Var(&w.timeout, "timeout", "how long to wait at most")
}

// atMost is how long to wait.
func (w *waitOptions) atMost() time.Duration { return time.Duration(w.timeout) }

// waitOnline waits until a cluster that is new, or that is being changed, is online and returns it with the secrets of the answer to its creation. On an error it
// returns what it was given. Meanwhile it shows the cluster as it is.
func (c *client) waitOnline(ctx context.Context, created cluster, timeout time.Duration, show func(cluster)) (cluster, error) {
	var now cluster
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		var err error
		now, err = c.clusterByID(ctx, created.ID)
		if err == nil {
			show(now)
		}
		if err == nil && now.Status == "failed" {
			err = fmt.Errorf("%s has failed: %s", created.Name, c.failure(ctx, now))
		}
		return err == nil && now.Status == statusOnline, err
	})
	if err != nil {
		switch {
		case errors.Is(err, errTimedOut) && created.Status == statusOnline: // it was there before, and is in use meanwhile
			err = fmt.Errorf("the change of %s is not over after %s, and goes on: %w", created.Name, timeout, err)
		case errors.Is(err, errTimedOut):
			err = fmt.Errorf("%s is not online after %s, but may still become so: %w", created.Name, timeout, err)
		}
		return created, err
	}
	return now.withSecretsOf(created)
}

// waitGone waits until a cluster is destroyed completely.
func (c *client) waitGone(ctx context.Context, gone cluster, timeout time.Duration) error {
	path := clustersPath + "/" + url.PathEscape(gone.ID) + "?include_destroying=true"
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		err := c.call(ctx, http.MethodGet, path, nil, nil)
		if statusOf(err) == http.StatusNotFound {
			return true, nil
		}
		return false, err
	})
	if errors.Is(err, errTimedOut) {
		return fmt.Errorf("%s is not gone after %s, but will be: %w", gone.Name, timeout, err)
	}
	return err
}

// failure is why a cluster has failed, as the API says or, if it does not, as the cluster's events say.
func (c *client) failure(ctx context.Context, failed cluster) string {
	if failed.Failure != "" {
		return failed.Failure
	}
	var root struct {
		Events []struct {
			Message string `json:"message"`
		} `json:"events"`
	}
	err := c.call(ctx, http.MethodGet, clustersPath+"/"+url.PathEscape(failed.ID)+"/events", nil, &root)
	if err != nil || len(root.Events) == 0 || root.Events[len(root.Events)-1].Message == "" {
		return "the log of tine up says why"
	}
	return root.Events[len(root.Events)-1].Message
}

// poll asks until the answer is yes or an error. It fails with errTimedOut after the timeout.
func poll(ctx context.Context, timeout time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimedOut)
	defer cancel()
	for start := time.Now(); ; {
		yes, err := done(ctx)
		switch {
		case ctx.Err() != nil && !yes:
			return context.Cause(ctx)
		case yes:
			return nil
		case err != nil && statusOf(err) != http.StatusTooManyRequests:
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause(time.Since(start))):
		}
	}
}

// pause is how long to wait before asking again. Most operations take a fraction of a second; those that do not are not worth
// asking about often, and tokens may be limited to some requests a minute.
func pause(elapsed time.Duration) time.Duration {
	const shortest, longest, share = 50 * time.Millisecond, 2 * time.Second, 10
	return min(max(elapsed/share, shortest), longest)
}

// statusOf is the API's HTTP status in an error, or 0.
func statusOf(err error) int {
	var answer *godo.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		return answer.Response.StatusCode
	}
	return 0
}
