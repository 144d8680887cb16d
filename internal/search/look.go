package search

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

const (
	maxTags      = 200_000 // tags that are looked at
	maxFresh     = 2000    // entries beside the compacted catalogue that a search takes into account
	lookParallel = 16      // of them, read at once
)

// looking is one look at the present state of a catalogue: which compacted one is current, and which entries were written since.
// Of what is known from before nothing is read again.
type looking struct {
	*registry.Catalogue
	shelf *shelf
	known *state // may be nil
	about *Catalogue
}

func (l *looking) look(ctx context.Context) (*state, error) {
	now := &state{Schema: stateSchema, Source: l.Source(), Fresh: []fresh{}}
	compacted, err := l.Compacted(ctx)
	switch {
	case err == nil:
		now.Compacted, now.Generation = compacted, compacted.Generation
	case !isNotFound(err):
		return nil, err
	}
	tags, err := l.list(ctx, now.Generation)
	if err != nil {
		return nil, err
	}
	unknown := l.takeKnown(now, tags)
	unknown, err = l.uncovered(ctx, compacted, unknown)
	if err != nil {
		return nil, err
	}
	if passed := len(now.Fresh) + len(unknown) - maxFresh; passed > 0 {
		passed = min(passed, len(unknown))
		l.about.Unread, unknown = l.about.Unread+passed, unknown[passed:]
	}
	return now, l.read(ctx, now, unknown)
}

var errEnough = errors.New("enough")

// list lists the entries that a compacted catalogue of the given generation may not have, older generations first.
func (l *looking) list(ctx context.Context, generation int64) (tags []catalogue.Tag, err error) {
	err = l.Tags(ctx, generation, func(t catalogue.Tag) error {
		if tags = append(tags, t); len(tags) == maxTags {
			l.about.Unread++ // and more
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	slices.SortFunc(tags, func(a, b catalogue.Tag) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return tags, nil
}

// takeKnown takes over what is known of the tags, and gives the others.
func (l *looking) takeKnown(now *state, tags []catalogue.Tag) (unknown []catalogue.Tag) {
	byTag := l.known.byTag()
	for _, t := range tags {
		if e, ok := byTag[t.String()]; ok {
			now.Fresh = append(now.Fresh, fresh{t.String(), e})
		} else {
			unknown = append(unknown, t)
		}
	}
	return unknown
}

// uncovered leaves out the tags of what the compacted catalogue has: it may have been made a moment ago of these very entries.
func (l *looking) uncovered(ctx context.Context, c *registry.CompactedCatalogue, tags []catalogue.Tag) ([]catalogue.Tag, error) {
	if c == nil || len(tags) == 0 {
		return tags, nil
	}
	names := map[string]bool{}
	for _, t := range tags {
		names[t.Name] = true
	}
	var entries map[string]catalogue.Entry
	err := l.shelf.table(ctx, c, func(table catalogue.Table) (err error) {
		entries, err = catalogue.Lookup(table, names)
		return err
	})
	return slices.DeleteFunc(tags, func(t catalogue.Tag) bool {
		e, ok := entries[t.Name]
		return ok && e.Covers(t.Version)
	}), err
}

// read reads the entries under tags.
func (l *looking) read(ctx context.Context, now *state, tags []catalogue.Tag) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookParallel)
	for _, t := range tags {
		group.Go(func() error {
			e, err := l.Entry(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			var invalid *registry.InvalidArtifactError
			switch {
			case err == nil:
				now.Fresh = append(now.Fresh, fresh{t.String(), e})
			case errors.As(err, &invalid):
				l.about.Unread++
			case !isNotFound(err): // else a compaction has taken it in meanwhile
				return err
			}
			return nil
		})
	}
	err := group.Wait()
	slices.SortFunc(now.Fresh, func(a, b fresh) int { return strings.Compare(a.Tag, b.Tag) })
	return err
}
