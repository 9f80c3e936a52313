package engine

import (
	"context"
	"errors"

	"tine/internal/sandbox"
	"tine/internal/storage"
)

var errTodo = errors.New("not written yet")

// Root is an installed engine.
type Root struct{}

func Install(ctx context.Context, dir string, progress func(string)) error { return errTodo }
func Open(dir string) (*Root, error)                                       { return nil, errTodo }
func (r *Root) Dir() string                                                { return "" }
func (r *Root) Version() string                                            { return "" }

// BuildGolden makes the golden volume.
func (r *Root) BuildGolden(ctx context.Context, pool *storage.Pool, rt *sandbox.Runtime, workDir string) (volume string, err error) {
	return "", errTodo
}
