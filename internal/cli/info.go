package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/archive"
	"github.com/loadr-plugins/loadr/internal/info"
	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/lockfile"
	"github.com/loadr-plugins/loadr/manifest"
	"github.com/loadr-plugins/loadr/registry"
)

func newInfoCmd(a *app) *cobra.Command {
	var probe bool
	cmd := &cobra.Command{
		Use:   "info TARGET",
		Short: "Describe a plugin without running a byte of it",
		Long: `Info describes an installed plugin (NAME), a release in a registry (REF), a folder, an archive (.tar.gz, .zip), also behind
a URL or in github:OWNER/REPO@TAG, an OCI image layout, or a bare library of any platform. A path starts with . or /, or names a file
that is there.

With --probe it also opens the library in a process of its own, asks it what it is, and compares that with plugin.toml.
This runs the plugin's code: an installed plugin, a folder or a library of this machine's platform.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			p, err := a.describe(cmd.Context(), words[0])
			if err != nil {
				return err
			}
			if probe {
				return a.infoProbed(cmd.Context(), words[0], p)
			}
			return a.print(p, func() { a.printInfo(p) })
		},
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "also open the library in a process of its own and ask it what it is")
	return cmd
}

func (a *app) describe(ctx context.Context, target string) (*info.Plugin, error) {
	if lockfile.IsFileSource(target) {
		return a.describeSource(ctx, target)
	}
	if isPath(target) {
		return describePath(ctx, target)
	}
	ref, err := registry.ParseReference(target)
	if err != nil {
		return nil, err
	}
	if ref.Short() && ref.Range == "" && ref.Digest == "" {
		ws, err := a.workspace()
		if err != nil {
			return nil, err
		}
		p, err := info.Installed(ws, ref.Name)
		var absent *install.NotInstalledError
		if !errors.As(err, &absent) {
			return p, err
		}
	}
	in, closeAll, err := a.installer()
	if err != nil {
		return nil, err
	}
	defer closeAll()
	repo, which, err := in.Find(ctx, ref)
	var files *install.FoundInFilesError
	switch {
	case errors.As(err, &files):
		return describeFetched(ctx, in, files.Source, ref)
	case err != nil:
		return nil, err
	}
	return info.Release(ctx, in.Source, repo, which)
}

// describeSource describes the archive at a URL, or among the assets of a release.
func (a *app) describeSource(ctx context.Context, word string) (*info.Plugin, error) {
	source, err := a.fileSource(word)
	if err != nil {
		return nil, err
	}
	in, closeAll, err := a.installer()
	if err != nil {
		return nil, err
	}
	defer closeAll()
	return describeFetched(ctx, in, source, registry.Reference{})
}

// describeFetched looks at a file that is not kept.
func describeFetched(ctx context.Context, in *install.Installer, source string, ref registry.Reference) (*info.Plugin, error) {
	file, name, remove, err := in.Peek(ctx, source, ref)
	if err != nil {
		return nil, err
	}
	defer remove()
	return info.Fetched(ctx, file, name)
}

// isPath tells paths from references: by their beginning, by an ending that no reference has, or because the file exists
// and is no plain name. A folder that happens to be called like a plugin needs ./ in front.
func isPath(s string) bool {
	if strings.HasPrefix(s, ".") || filepath.IsAbs(s) || archive.IsName(s) {
		return true
	}
	if !strings.ContainsAny(s, `/\.`) {
		return false
	}
	_, err := os.Stat(s)
	return err == nil
}

func describePath(ctx context.Context, path string) (*info.Plugin, error) {
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case stat.IsDir():
		return info.Dir(path)
	case archive.IsName(path):
		return info.Archive(ctx, path, path)
	}
	return info.File(path)
}

func (a *app) printInfo(p *info.Plugin) {
	a.printHead(p)
	for _, lib := range p.Libraries {
		a.line("")
		a.printLibrary(lib, p.Claimed)
	}
	for _, w := range p.Warnings {
		a.warn(w)
	}
	if p.Claimed && slices.ContainsFunc(p.Libraries, isNative) {
		a.note("the types of a native library are in its file, which was not looked at: info of the installed plugin or of the file shows them")
	}
}

func isNative(lib info.Library) bool { return lib.ABI.Family == manifest.FamilyNative }

func (a *app) printHead(p *info.Plugin) {
	if p.Name != "" {
		a.line("%s %s (%s, %s)", clean(p.Name), clean(p.Version), p.Kind, p.Type)
	}
	if p.Description != "" {
		a.line("%s", clean(p.Description))
	}
	a.fields([][2]string{
		{"source", p.Source},
		{"digest", string(p.Digest)},
		{"state", enabledWord(p.Enabled)},
		{"withdrawn", withdrawnWords(p.Withdrawn)},
		{"schemes", strings.Join(p.Schemes, ", ")},
		{"license", p.License},
		{"requires", p.RequiresABI},
	})
}

func withdrawnWords(withdrawals []registry.Withdrawal) string {
	return (&registry.Status{Withdrawals: withdrawals}).Withdrawn()
}

func enabledWord(enabled *bool) string {
	switch {
	case enabled == nil:
		return ""
	case *enabled:
		return "enabled"
	}
	return "disabled"
}

func (a *app) printLibrary(lib info.Library, claimed bool) {
	head := lib.File
	if lib.Target != "" {
		head = fmt.Sprintf("%s  %s", lib.Target, lib.File)
	}
	abi := "none"
	if lib.ABI.Family != "" {
		abi = fmt.Sprintf("%s %s (%s)", lib.ABI.Family, lib.ABI.Version, lib.ABI.Verdict)
	}
	if claimed {
		head += "  (as claimed by the publisher; not looked at)"
		abi = fmt.Sprintf("%s %s", lib.ABI.Family, lib.ABI.Version)
	}
	a.line("%s", clean(head))
	a.fields([][2]string{
		{"format", fmt.Sprintf("%s, %s", lib.Format, lib.Machine)},
		{"abi", abi},
		{"interface", interfaceWords(lib.ABI, lib.Native)},
		{"layout", lib.ABI.Layout},
		{"exports", strings.Join(lib.Exports, ", ")},
		{"needs", strings.Join(lib.Needs, ", ")},
		{"libc", lib.Libc.String()},
		{"constructors", fmt.Sprint(lib.Constructors)},
		{"digest", string(lib.Digest)},
		{"size", size(lib.Size)},
	})
	a.printNative(lib.Native)
	for _, p := range lib.ABI.Problems {
		a.line("  problem       %s", clean(p.String()))
	}
}

// fields prints those pairs that have a value.
func (a *app) fields(pairs [][2]string) {
	for _, f := range pairs {
		if f[1] != "" {
			a.line("  %-13s %s", f[0], clean(f[1]))
		}
	}
}
