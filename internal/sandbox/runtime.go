// Package sandbox runs processes in OCI containers by runc.
package sandbox

import (
	"context"
	"errors"
	"syscall"
)

var errTodo = errors.New("not written yet")

type Mount struct {
	Source, Target string
	ReadOnly       bool
}

type Spec struct {
	ID          string
	Root        string
	Mounts      []Mount
	Args        []string
	Env         []string
	UID, GID    int
	MemoryBytes int64
	CPUs        float64
	PIDs        int64
	ShmBytes    int64
	LogPath     string
}

type Status struct {
	ID      string
	Running bool
	PID     int
}

type Config struct {
	Dir          string
	Runc         string
	CgroupParent string
}

type Runtime struct{}

func New(cfg Config) (*Runtime, error)                                             { return nil, errTodo }
func (r *Runtime) Run(ctx context.Context, spec Spec) error                        { return errTodo }
func (r *Runtime) Status(ctx context.Context, id string) (Status, error)           { return Status{}, errTodo }
func (r *Runtime) List(ctx context.Context) ([]Status, error)                      { return nil, errTodo }
func (r *Runtime) Signal(ctx context.Context, id string, sig syscall.Signal) error { return errTodo }
func (r *Runtime) Wait(ctx context.Context, id string) error                       { return errTodo }
func (r *Runtime) Remove(ctx context.Context, id string) error                     { return errTodo }
