package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

// Options say what to look for, and where.
type Options struct {
	Client  *registry.Client
	Dir     string   // where catalogues are kept
	Sources []string // registry/namespace, or keys of Indexes, in the order in which equally good matches are given
	// Indexes read, by source, those that are no registry's: loadr's JSON index.
	Indexes map[string]func(context.Context) (map[string]catalogue.Entry, error)
	Query   catalogue.Query
	Offline bool // search what was kept, and make no request
}

// Result is what was found.
type Result struct {
	Plugins    []Plugin    `json:"plugins"` // best first
	More       int         `json:"more"`    // matches beyond the limit
	Catalogues []Catalogue `json:"catalogues"`
}

// Plugin is one match.
type Plugin struct {
	Repository  string   `json:"repository"` // registry/namespace/name, which install takes; of an index the name, which it takes too
	Source      string   `json:"source"`     // registry/namespace, or the index
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Preview     string   `json:"preview,omitempty"` // a newer pre-release
	Kind        string   `json:"kind"`
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Keywords    []string `json:"keywords"`
	Schemes     []string `json:"schemes"`
	License     string   `json:"license"`
	Targets     []string `json:"targets"`
	ABI         []string `json:"abi"`

	rank int
}

// State is what became of a search in one catalogue.
type State string

// The states.
const (
	Searched State = "searched"
	Absent   State = "absent" // the namespace has no catalogue
	Failed   State = "failed"
)

// Catalogue is one namespace's part in a search.
type Catalogue struct {
	Source     string `json:"source"` // registry/namespace
	State      State  `json:"state"`
	Generation int64  `json:"generation"`        // compactions of the catalogue, as searched
	Fresh      int    `json:"fresh"`             // entries that were not yet compacted
	Unread     int    `json:"unread"`            // such entries that were passed over: too many of them, or not understood
	Matches    int    `json:"matches"`           // in all
	Problem    string `json:"problem,omitempty"` // why it failed
}

// FailedError says that no catalogue could be searched.
type FailedError struct {
	Failures []error `json:"-"` // one for each namespace that has a catalogue, or may have one
}

func (e *FailedError) Error() string {
	words := make([]string, len(e.Failures))
	for i, err := range e.Failures {
		words[i] = err.Error()
	}
	return "no catalogue could be searched: " + strings.Join(words, "; ")
}

// Unwrap gives the failures.
func (e *FailedError) Unwrap() []error { return e.Failures }

// NotKeptError says that a catalogue was never searched on this machine, and may not be fetched.
type NotKeptError struct {
	Source string `json:"source"`
}

func (e *NotKeptError) Error() string {
	return fmt.Sprintf("catalogue of %s: not on this machine", e.Source)
}

// Hint says what to do.
func (e *NotKeptError) Hint() string { return "search once without --offline" }

// Search looks into all catalogues at once. One that fails is told in the result, as long as another could be searched; else
// the error is a *FailedError, or ctx's own.
func Search(ctx context.Context, o Options) (*Result, error) {
	found, failures := make([]catalogue.Matches, len(o.Sources)), make([]error, len(o.Sources))
	r := &Result{Plugins: []Plugin{}, Catalogues: make([]Catalogue, len(o.Sources))}
	ctx = oneToken(ctx, o.Sources)
	var wait sync.WaitGroup
	for i, source := range o.Sources {
		wait.Go(func() {
			r.Catalogues[i].Source = source
			found[i], failures[i] = o.one(ctx, source, &r.Catalogues[i])
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	total := 0
	for i, source := range o.Sources {
		r.Catalogues[i].conclude(found[i], failures[i])
		total += found[i].Total
		for _, m := range found[i].Best {
			p := plugin(source, m)
			if o.Indexes[source] != nil {
				p.Repository = p.Name
			}
			r.Plugins = append(r.Plugins, p)
		}
	}
	failures = slices.DeleteFunc(failures, func(err error) bool { return err == nil || isNotFound(err) })
	if len(failures) > 0 && !slices.ContainsFunc(r.Catalogues, func(c Catalogue) bool { return c.State == Searched }) {
		return nil, &FailedError{failures}
	}
	slices.SortStableFunc(r.Plugins, func(a, b Plugin) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Name, b.Name))
	})
	r.Plugins = r.Plugins[:min(len(r.Plugins), o.Query.Limit)]
	r.More = total - len(r.Plugins)
	return r, nil
}

// oneToken lets a registry that holds several of the catalogues be asked for one token for all of them.
func oneToken(ctx context.Context, sources []string) context.Context {
	var repos []registry.Repository
	for _, source := range sources {
		if host, namespace, err := registry.ParseNamespace(source); err == nil {
			repos = append(repos, registry.Repository{Registry: host, Namespace: namespace, Name: catalogue.Repository})
		}
	}
	return registry.WithRepositories(ctx, repos)
}

func (c *Catalogue) conclude(found catalogue.Matches, err error) {
	switch {
	case err == nil:
		c.State, c.Matches = Searched, found.Total
	case isNotFound(err):
		c.State = Absent
	default:
		c.State, c.Problem = Failed, err.Error()
	}
}

func isNotFound(err error) bool {
	var notFound *registry.NotFoundError
	return errors.As(err, &notFound)
}

func plugin(source string, m catalogue.Match) Plugin {
	e := m.Entry
	return Plugin{
		Repository: source + "/" + e.Name, Source: source, Name: e.Name, Version: e.Version, Preview: e.Preview, Kind: e.Kind, Type: e.Type,
		Description: e.Description, Keywords: list(e.Keywords), Schemes: list(e.Schemes), License: e.License,
		Targets: list(e.Targets), ABI: list(e.ABI), rank: m.Rank,
	}
}

// list makes an absent list an empty one, as JSON has it.
func list(s []string) []string { return append([]string{}, s...) }

// one searches one catalogue and says in about what it saw of it.
func (o *Options) one(ctx context.Context, source string, about *Catalogue) (catalogue.Matches, error) {
	if read := o.Indexes[source]; read != nil {
		entries, err := read(ctx)
		if err != nil {
			return catalogue.Matches{}, err
		}
		return catalogue.Search(catalogue.EmptyTable(), entries, o.Query)
	}
	k, err := o.Client.Catalogue(source)
	if err != nil {
		return catalogue.Matches{}, err
	}
	shelf := openShelf(o.Dir, k, o.Offline)
	state, err := shelf.read()
	if err != nil {
		return catalogue.Matches{}, err
	}
	if o.Offline && state == nil {
		return catalogue.Matches{}, &NotKeptError{source}
	}
	if !o.Offline {
		l := &looking{Catalogue: k, shelf: shelf, known: state, about: about}
		if state, err = l.look(ctx); err != nil {
			return catalogue.Matches{}, err
		}
		if err := shelf.write(state); err != nil {
			return catalogue.Matches{}, err
		}
	}
	about.Generation, about.Fresh = state.Generation, len(state.Fresh)
	var found catalogue.Matches
	err = shelf.table(ctx, state.Compacted, func(table catalogue.Table) (err error) {
		found, err = catalogue.Search(table, state.merged(), o.Query)
		return err
	})
	return found, err
}
