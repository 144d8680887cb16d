package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/loadr-plugins/loadr/internal/install"
)

func newExecCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec -- COMMAND [ARGS...]",
		Short: "Run a command, such as the engine, with the project's plugins",
		Long: `Exec runs a command with LOADR_PLUGINS_DIR set to the project's plugins directory, by which the loadr engine finds it.
Before that it checks that loadr.toml, loadr.lock and the directory agree (exit code 12 if not), without any request.

The command gets standard input, output and signals as they are, and its exit code is that of exec: on Unix it takes the
place of this process. A command that is not found is exit code 127, one that can't be run 126, as in a shell.`,
		Example: `  loadr plugin exec -- loadr run plan.yaml`,
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			ws, err := a.workspace()
			if err != nil {
				return err
			}
			in := &install.Installer{Workspace: ws, Events: a.events(&progress{app: a})}
			if err := in.Ready(cmd.Context()); err != nil {
				return err
			}
			return runCommand(ws.Plugins, words)
		},
	}
	// What follows the command's name is the command's, also without "--" in front.
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// runCommand does not come back when the command could be run.
func runCommand(pluginsDir string, words []string) error {
	path, err := exec.LookPath(words[0])
	if err == nil {
		if err = os.Setenv("LOADR_PLUGINS_DIR", pluginsDir); err == nil {
			err = become(path, words)
		}
	}
	return &CommandError{Command: words[0], NotFound: errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist), Err: err}
}

// CommandError says that exec could not run its command.
type CommandError struct {
	Command  string `json:"command"`
	NotFound bool   `json:"not_found"` // else it is there and can't be run
	Err      error  `json:"-"`
}

func (e *CommandError) Error() string {
	if e.NotFound {
		return fmt.Sprintf("command %q: not found", e.Command)
	}
	return fmt.Sprintf("command %q: %v", e.Command, e.Err)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Hint says where it was looked for.
func (e *CommandError) Hint() string {
	if e.NotFound {
		return "it is looked for in PATH, or give its path"
	}
	return "it must be a program that this machine can run, and be executable"
}

// commandError matches one of the two kinds.
func commandError(notFound bool) func(error) (any, bool) {
	return func(err error) (any, bool) {
		var e *CommandError
		return e, errors.As(err, &e) && e.NotFound == notFound
	}
}
