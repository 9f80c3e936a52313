package fleet

import (
	"context"
	"errors"

	"tine/internal/store"
)

// CreateTag makes a tag, or leaves the one there is.
func (f *Fleet) CreateTag(ctx context.Context, name string) (store.Tag, error) {
	if err := checkTag("name", name); err != nil {
		return store.Tag{}, err
	}
	if err := f.cfg.Store.CreateTag(ctx, name); err != nil {
		return store.Tag{}, err
	}
	return f.Tag(ctx, name)
}

// Tags returns all tags by name.
func (f *Fleet) Tags(ctx context.Context) ([]store.Tag, error) { return f.cfg.Store.Tags(ctx) }

// Tag returns the tag of that name.
func (f *Fleet) Tag(ctx context.Context, name string) (store.Tag, error) {
	t, err := f.cfg.Store.Tag(ctx, name)
	return t, noTag(err, name)
}

// DeleteTag takes a tag from all clusters and forgets it.
func (f *Fleet) DeleteTag(ctx context.Context, name string) error {
	return noTag(f.cfg.Store.DeleteTag(ctx, name), name)
}

// Tagging gives a tag to clusters, or takes it from them.
type Tagging struct {
	Tag      string
	Clusters []string // their ids
	Remove   bool
}

// ChangeTags carries out all of a tagging or nothing.
func (f *Fleet) ChangeTags(ctx context.Context, t Tagging) error {
	if _, err := f.Tag(ctx, t.Tag); err != nil {
		return err
	}
	if len(t.Clusters) == 0 {
		return invalid("resources", "must name at least one database cluster")
	}
	change := f.cfg.Store.TagClusters
	if t.Remove {
		change = f.cfg.Store.UntagClusters
	}
	err := change(ctx, t.Tag, t.Clusters)
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: NotFound, Field: "resources", Message: "resources must name existing database clusters by their ids; not all of these exist"}
	}
	return err
}

func noTag(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: NotFound, Message: "there is no tag " + quote(name)}
	}
	return err
}
