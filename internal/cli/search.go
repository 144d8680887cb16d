package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/legacyindex"
	"github.com/loadr-plugins/loadr/internal/obtain"
	"github.com/loadr-plugins/loadr/internal/search"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
	"github.com/loadr-plugins/loadr/registry/catalogue"
)

const (
	searchLimit    = 25
	maxSearchLimit = 10_000
	shownText      = 60 // characters of a description in a table
)

func newSearchCmd(a *app) *cobra.Command {
	var q catalogue.Query
	var offline bool
	cmd := &cobra.Command{
		Use:   "search [TERM...]",
		Short: "Look for plugins in the catalogues of the configured namespaces",
		Long: `Search looks for plugins whose name, keywords, URL schemes or description have all of the terms. Names come first: the
exact one, those that begin with the term, those that have it; then keywords, then descriptions. Without a term every plugin
is listed.`,
		Example: `  loadr plugin search kafka
  loadr plugin search --kind output csv`,
		RunE: func(cmd *cobra.Command, terms []string) error {
			if q.Limit < 1 || q.Limit > maxSearchLimit {
				return usage("--limit: %d: expected 1 to %d", q.Limit, maxSearchLimit)
			}
			if q.Kind != "" && !slices.Contains(manifest.Kinds(), manifest.Kind(q.Kind)) {
				return usage("--kind: %q: expected one of %s", q.Kind, joined(manifest.Kinds()))
			}
			q.Terms = terms
			return a.runSearch(cmd.Context(), q, offline)
		},
	}
	cmd.Flags().StringVar(&q.Kind, "kind", "", "only plugins of this `kind`: "+joined(manifest.Kinds()))
	cmd.Flags().IntVar(&q.Limit, "limit", searchLimit, "the most plugins to list")
	cmd.Flags().BoolVar(&offline, "offline", false, "make no requests; search what the last search saw")
	return cmd
}

func (a *app) runSearch(ctx context.Context, q catalogue.Query, offline bool) error {
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	indexes, closeAll := indexesIn(c.Namespaces, offline)
	defer closeAll()
	r, err := search.Search(ctx, search.Options{
		Client: client, Dir: filepath.Join(c.CacheDir, "catalogues"), Sources: c.Namespaces, Indexes: indexes, Query: q, Offline: offline,
	})
	if err != nil {
		return err
	}
	return a.print(r, func() { a.printFound(r, q) })
}

// indexesIn gives the ways to read those of the namespaces that are loadr's JSON indexes. Nothing of them is kept, so that offline
// those on this machine alone can be read.
func indexesIn(namespaces []string, offline bool) (map[string]func(context.Context) (map[string]catalogue.Entry, error), func()) {
	client, _ := files()
	fetcher := &obtain.Fetcher{From: client}
	out := map[string]func(context.Context) (map[string]catalogue.Entry, error){}
	for _, source := range namespaces {
		if !lockfile.IsIndex(source) {
			continue
		}
		out[source] = func(ctx context.Context) (map[string]catalogue.Entry, error) {
			src, err := lockfile.ParseFileSource(source)
			if err != nil {
				return nil, err
			}
			if _, here := lockfile.PathOf(src.Index); offline && !here {
				return nil, &search.NotKeptError{Source: source}
			}
			text, err := fetcher.Text(ctx, src.Index, legacyindex.MaxSize)
			if err != nil {
				return nil, err
			}
			index, err := legacyindex.Parse(src.Index, text)
			if err != nil {
				return nil, err
			}
			return search.Index(index), nil
		}
	}
	return out, client.Close
}

func (a *app) printFound(r *search.Result, q catalogue.Query) {
	for _, k := range r.Catalogues {
		switch {
		case k.State == search.Failed:
			a.warn(fmt.Sprintf("%s was not searched: %s", k.Source, k.Problem))
		case k.State == search.Absent:
			a.note("%s has no catalogue: nothing was published there yet, or only by programs that write none", k.Source)
		case k.Unread > 0:
			a.warn(fmt.Sprintf("%s: at least %s passed over; 'loadr registry index %s' may help", k.Source, counted(k.Unread, "entry of its catalogue was", "entries of its catalogue were"), k.Source))
		}
	}
	if len(r.Plugins) == 0 {
		a.note("no plugin found")
		return
	}
	rows := [][]string{{"NAME", "VERSION", "KIND", "SOURCE", "DESCRIPTION"}}
	for _, p := range r.Plugins {
		rows = append(rows, []string{p.Name, p.Version, p.Kind, p.Source, shortened(p.Description)})
	}
	a.table(rows)
	if r.More > 0 {
		a.note("and %d more: say more precisely what you look for, or --limit %d", r.More, min(len(r.Plugins)+r.More, maxSearchLimit))
	}
}

func shortened(s string) string {
	if runes := []rune(s); len(runes) > shownText {
		return strings.TrimRight(string(runes[:shownText-3]), " ") + "..."
	}
	return s
}

func newIndexCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "index [NAMESPACE...]",
		Short: "Compact the catalogues of namespaces, so that searching stays quick",
		Long: `Index takes what publishes wrote into the catalogue of a namespace into one compact document, and removes what an earlier
index has taken in. It can run at any time, beside publishes and searches; where many publish, run it regularly. Without
NAMESPACE it works on the one that publish uses.`,
		Example: `  loadr registry index registry.example/team`,
		RunE: func(cmd *cobra.Command, namespaces []string) error {
			for _, n := range namespaces {
				if _, _, err := registry.ParseNamespace(n); err != nil {
					return usage("%v", err)
				}
			}
			return a.runIndex(cmd.Context(), namespaces)
		},
	}
}

func (a *app) runIndex(ctx context.Context, namespaces []string) error {
	client, c, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if len(namespaces) == 0 {
		namespaces = c.Namespaces[:1]
	}
	done := []*registry.Compaction{}
	for _, n := range namespaces {
		r, err := client.CompactCatalogue(ctx, n)
		if err != nil {
			return err
		}
		if done = append(done, r); !a.json {
			a.printCompaction(r)
		}
	}
	return a.print(map[string]any{"catalogues": done}, func() {})
}

func (a *app) printCompaction(r *registry.Compaction) {
	for _, s := range r.Skipped {
		a.warn(fmt.Sprintf("%s: entry %s was passed over: %s", r.Source, s.Tag, s.Problem))
	}
	if r.Changed {
		a.line("indexed %s: %s, %s", r.Source, counted(r.Plugins, "plugin", "plugins"), counted(r.Read, "new entry", "new entries"))
	} else {
		a.line("already indexed: %s: %s", r.Source, counted(r.Plugins, "plugin", "plugins"))
	}
	if r.Left > 0 {
		a.note("left %s for the next time: run it again", counted(r.Left, "new entry", "new entries"))
	}
	if r.Removed > 0 {
		a.note("removed %s that an earlier index had taken in", counted(r.Removed, "entry", "entries"))
	}
	if r.Kept > 0 {
		a.note("left %s that an earlier index had taken in: the registry does not let us remove anything", counted(r.Kept, "entry", "entries"))
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
