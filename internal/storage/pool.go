// Package storage keeps volumes on a btrfs pool.
package storage

import (
	"context"
	"errors"
)

var errTodo = errors.New("not written yet")

// PoolConfig says where a pool is.
type PoolConfig struct {
	Path      string
	Device    string
	Image     string
	ImageSize int64
}

// Pool is a btrfs file system that holds volumes.
type Pool struct{}

// Usage is what a volume occupies, in bytes.
type Usage struct{ Exclusive, Shared int64 }

// Space is what a pool has, in bytes.
type Space struct{ Total, Used, Free int64 }

func OpenPool(ctx context.Context, cfg PoolConfig) (*Pool, error)     { return nil, errTodo }
func (p *Pool) Close(ctx context.Context) error                       { return errTodo }
func (p *Pool) Path() string                                          { return "" }
func (p *Pool) VolumePath(name string) string                         { return "" }
func (p *Pool) Create(ctx context.Context, name string) error         { return errTodo }
func (p *Pool) Snapshot(ctx context.Context, src, dst string) error   { return errTodo }
func (p *Pool) Clone(ctx context.Context, src, dst string) error      { return errTodo }
func (p *Pool) Delete(ctx context.Context, name string) error         { return errTodo }
func (p *Pool) Exists(name string) (bool, error)                      { return false, errTodo }
func (p *Pool) List(dir string) ([]string, error)                     { return nil, errTodo }
func (p *Pool) Usage(ctx context.Context, name string) (Usage, error) { return Usage{}, errTodo }
func (p *Pool) Space() (Space, error)                                 { return Space{}, errTodo }
func (p *Pool) Sync(ctx context.Context) error                        { return errTodo }
func Reflink(src, dst string) error                                   { return errTodo }
