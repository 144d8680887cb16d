package cli

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/cache"
	"github.com/loadr-plugins/loadr/internal/config"
)

func newCacheCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look after the cache of fetched plugins",
		Args:  knownCommand,
		RunE:  a.groupHelp,
	}
	for _, newCmd := range []func(*app) *cobra.Command{newCacheDirCmd, newCacheListCmd, newCachePruneCmd, newCacheVerifyCmd} {
		cmd.AddCommand(newCmd(a))
	}
	return cmd
}

// cache opens the cache of the user's configuration.
func (a *app) cache() (*cache.Cache, error) {
	c, err := config.Load(os.Getenv)
	if err != nil {
		return nil, err
	}
	return cache.Open(c.CacheDir), nil
}

func newCacheDirCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "dir",
		Short: "Print where the cache is",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.cache()
			if err != nil {
				return err
			}
			value := struct {
				Dir string `json:"dir"`
			}{c.Dir()}
			return a.print(value, func() { a.line("%s", c.Dir()) })
		},
	}
}

// listing is what 'cache list' prints.
type listing struct {
	Dir   string         `json:"dir"`
	Blobs []cache.Listed `json:"blobs"`
	Size  int64          `json:"size"`   // bytes, of all
	Free  int64          `json:"unused"` // bytes, of those that nobody needs
}

func newCacheListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the blobs in the cache and what they are for",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.cache()
			if err != nil {
				return err
			}
			blobs, err := c.List()
			if err != nil {
				return err
			}
			l := listing{Dir: c.Dir(), Blobs: blobs}
			for _, b := range blobs {
				l.Size += b.Size
				if len(b.UsedBy) == 0 {
					l.Free += b.Size
				}
			}
			return a.print(l, func() { a.printBlobs(l) })
		},
	}
}

func (a *app) printBlobs(l listing) {
	if len(l.Blobs) > 0 {
		rows := [][]string{{"DIGEST", "SIZE", "USERS", "PLUGIN"}}
		for _, b := range l.Blobs {
			rows = append(rows, []string{b.Digest.String(), size(b.Size), strconv.Itoa(len(b.UsedBy)), strings.Join(b.What, ", ")})
		}
		a.table(rows)
	}
	a.note("%d blobs, %s, of which nobody needs %s", len(l.Blobs), size(l.Size), size(l.Free))
}

func newCachePruneCmd(a *app) *cobra.Command {
	o := cache.PruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what no project needs any more",
		Long: `Prune removes the blobs that the last five generations of no known project and plugins directory need. Known are those
that loadr has installed into with this cache; one whose folder is gone is forgotten. What only projects need that can't be
reached now, because their disk is not mounted, is kept unless --all. Prune waits for installs in flight.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.cache()
			if err != nil {
				return err
			}
			o.Waiting = func(string) { a.note("waiting for other processes to finish with the cache") }
			pruned, err := c.Prune(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.print(prunedJSON{c.Dir(), o.DryRun, *pruned}, func() { a.printPruned(pruned, o) })
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.All, "all", false, "also remove what only projects need that can't be reached now, and forget these")
	flags.BoolVar(&o.DryRun, "dry-run", false, "remove nothing; say what would be removed")
	flags.BoolVar(&o.NoWait, "no-wait", false, "fail when other processes use the cache")
	return cmd
}

type prunedJSON struct {
	Dir    string `json:"dir"`
	DryRun bool   `json:"dry_run"`
	cache.Pruned
}

func (a *app) printPruned(p *cache.Pruned, o cache.PruneOptions) {
	removed, forgot := "removed", "forgot"
	if o.DryRun {
		removed, forgot = "would remove", "would forget"
	}
	for _, dir := range p.Forgotten {
		a.note("%s %s", forgot, clean(dir))
	}
	if !o.All {
		for _, dir := range p.Unreachable {
			a.warn(dir + ": can't be reached now; what it needs is kept unless --all")
		}
	}
	for _, b := range p.Removed {
		a.detail("%s %s (%s)", removed, b.Digest, size(b.Size))
	}
	a.line("%s %d blobs, %s; %d blobs, %s remain", removed, len(p.Removed), size(p.Freed), p.Kept, size(p.KeptSize))
}

func newCacheVerifyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read every blob again and remove those that are corrupt",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.cache()
			if err != nil {
				return err
			}
			checked, err := c.VerifyAll(cmd.Context())
			if err != nil && !errors.As(err, new(*cache.CorruptError)) {
				return err
			}
			value := struct {
				Dir string `json:"dir"`
				*cache.Checked
			}{c.Dir(), checked}
			if printErr := a.print(value, func() {
				a.line("%d of %d blobs are sound, %s read", checked.Blobs-len(checked.Corrupt), checked.Blobs, size(checked.Size))
			}); printErr != nil {
				return printErr
			}
			return err
		},
	}
}
