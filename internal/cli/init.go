package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/fsx"
	"github.com/loadr-plugins/loadr/lockfile"
)

const emptyProject = `# Plugins of this project. 'loadr plugin install NAME' adds to it; loadr.lock has the exact bytes.
[plugins]
`

func newInitCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make this folder a project by writing loadr.toml",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			path, err := filepath.Abs(lockfile.ProjectName)
			if err != nil {
				return err
			}
			created, err := writeIfAbsent(path, emptyProject)
			if err != nil {
				return err
			}
			result := struct {
				Project string `json:"project"`
				Created bool   `json:"created"`
			}{path, created}
			return a.print(result, func() {
				if created {
					a.line("wrote %s", lockfile.ProjectName)
				} else {
					a.line("%s is here already", lockfile.ProjectName)
				}
			})
		},
	}
}

func writeIfAbsent(path, text string) (bool, error) {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("project: %w", err)
	}
	return true, fsx.WriteFile(path, []byte(text), 0o644)
}
