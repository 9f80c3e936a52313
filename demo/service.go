package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"golang.org/x/oauth2"
)

// service is a running Tine.
type service struct{ godo *godo.Client }

// cluster is what the demo needs to know of one.
type cluster struct {
	ID, Name, Plan, Address string
	URI                     string // with the password
	Password                string
}

func connectService() (*service, error) {
	token := os.Getenv("TINE_TOKEN")
	if token == "" {
		b, err := os.ReadFile(filepath.Join(environment("TINE_DATA_DIR", "/var/lib/tine"), "admin-token"))
		if err != nil {
			return nil, fmt.Errorf("read the admin token: %w", err)
		}
		token = strings.TrimSpace(string(b))
	}
	transport := &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})}
	api, err := godo.New(&http.Client{Transport: transport}, godo.SetBaseURL(environment("TINE_API", "http://127.0.0.1:8080")))
	if err != nil {
		return nil, fmt.Errorf("prepare the API's client: %w", err)
	}
	return &service{api}, nil
}

func environment(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

// freeNames returns the names, or all of them with the same number behind if one is taken by an earlier demo.
func (s *service) freeNames(ctx context.Context, names ...string) ([]string, error) {
	list, _, err := s.godo.Databases.List(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	for number := 1; ; number++ {
		free := slices.Clone(names)
		for i := range free {
			if number > 1 {
				free[i] += "-" + strconv.Itoa(number)
			}
		}
		taken := slices.ContainsFunc(list, func(d godo.Database) bool { return slices.Contains(free, d.Name) })
		if !taken {
			return free, nil
		}
	}
}

// create makes an empty cluster of the smallest plan and waits until it is online.
func (s *service) create(ctx context.Context, name string) (cluster, error) {
	options, _, err := s.godo.Databases.ListOptions(ctx)
	if err != nil {
		return cluster{}, fmt.Errorf("ask what there is: %w", err)
	}
	mongodb := options.MongoDBOptions
	if len(mongodb.Layouts) == 0 || len(mongodb.Layouts[0].Sizes) == 0 || len(mongodb.Regions) == 0 {
		return cluster{}, errors.New("the catalog has no plan or no region")
	}
	return s.make(ctx, &godo.DatabaseCreateRequest{
		Name: name, EngineSlug: "mongodb", NumNodes: mongodb.Layouts[0].NodeNum,
		SizeSlug: mongodb.Layouts[0].Sizes[0], Region: mongodb.Regions[0],
	})
}

// fork makes a cluster that is what the source was at a moment, and waits until it is online.
func (s *service) fork(ctx context.Context, source, name string, at time.Time) (cluster, error) {
	return s.make(ctx, &godo.DatabaseCreateRequest{
		Name: name, EngineSlug: "mongodb",
		BackupRestore: &godo.DatabaseBackupRestore{DatabaseName: source, BackupCreatedAt: at.UTC().Format("2006-01-02T15:04:05.000000Z")},
	})
}

func (s *service) make(ctx context.Context, request *godo.DatabaseCreateRequest) (cluster, error) {
	made, _, err := s.godo.Databases.Create(ctx, request)
	if err != nil {
		return cluster{}, fmt.Errorf("create %s: %w", request.Name, err)
	}
	if err := s.waitOnline(ctx, made.ID, made.Name); err != nil {
		return cluster{}, err
	}
	return cluster{
		ID: made.ID, Name: made.Name, Plan: made.SizeSlug,
		Address: net.JoinHostPort(made.Connection.Host, strconv.Itoa(made.Connection.Port)),
		URI:     made.Connection.URI, Password: made.Connection.Password,
	}, nil
}

func (s *service) waitOnline(ctx context.Context, id, name string) error {
	const patience, interval = 5 * time.Minute, 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		now, _, err := s.godo.Databases.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", name, err)
		}
		switch now.Status {
		case "online":
			return nil
		case "failed":
			return fmt.Errorf("%s has failed; `bin/tine cluster get %s` says why", name, name)
		}
		if err := pause(ctx, interval); err != nil {
			return fmt.Errorf("wait for %s, which is %s: %w", name, now.Status, err)
		}
	}
}

// pause lets time pass, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}
