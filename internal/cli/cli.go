// Package cli is the command line: flags, output, progress and exit codes. Each command has a file of its own and does
// no more than read its flags, call a library and print what came back.
//
// The rules of the terminal, kept by everything here: results go to standard output and everything else to standard
// error; the shape of standard output never depends on whether it is a terminal; with --json a command prints one JSON
// value, and a failure prints one JSON object on standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Main runs the program with the arguments, streams and environment of this process and returns its exit code. Started
// under the name loadr-plugin it is the plugin group itself, so that it can live beside the engine, which is called
// loadr too.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	cmd := newRoot(a, os.Args[0])
	cmd.SetArgs(os.Args[1:])
	cmd, err := cmd.ExecuteContextC(ctx)
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	var misuse *usageError
	if errors.As(err, &misuse) {
		misuse.Command = cmd.CommandPath()
	}
	return a.fail(err)
}

// app is what every command shares.
type app struct {
	in             io.Reader
	out, err       io.Writer
	json           bool
	quiet, verbose bool
	pluginsDir     string
	global         bool
	late           lateWarnings
}

func newRoot(a *app, arg0 string) *cobra.Command {
	name := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	root := newPluginCmd(a)
	if name == "loadr-plugin" {
		root.Use = name
		root.AddCommand(newRegistryCmd(a), newVersionCmd(a))
	} else {
		root = &cobra.Command{
			Use:   "loadr",
			Short: "The package manager of loadr's plugins",
			Args:  knownCommand,
			RunE:  a.groupHelp,
		}
		root.AddCommand(newPluginCmd(a), newRegistryCmd(a), newVersionCmd(a))
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.PersistentPreRunE = exclusiveFlags
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print results and errors as JSON")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print results and errors only")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more about what is done")
	return root
}

func newPluginCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Install, check, call and publish plugins",
		Args:  knownCommand,
		RunE:  a.groupHelp,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.pluginsDir, "plugins-dir", "", "the plugins `directory` (default: the project's .loadr/plugins, else ~/.loadr/plugins)")
	flags.BoolVar(&a.global, "global", false, "work on the user's own plugins even inside a project")
	addGroup(a, cmd, "Plugins of a project:", newInitCmd, newSearchCmd, newInstallCmd, newUpdateCmd, newRemoveCmd, newSyncCmd,
		newLockCmd, newRollbackCmd, newEnableCmd, newDisableCmd, newExecCmd)
	addGroup(a, cmd, "Questions:", newListCmd, newInfoCmd, newOutdatedCmd, newTreeCmd, newWhyCmd, newVerifyCmd, newCallCmd)
	addGroup(a, cmd, "Authors:", newNewCmd, newPackCmd, newPublishCmd, newWithdrawCmd, newImportCmd)
	addGroup(a, cmd, "Sites:", newBundleCmd, newMirrorCmd, newCacheCmd)
	return cmd
}

// addGroup adds commands under a title of their own in the help.
func addGroup(a *app, cmd *cobra.Command, title string, commands ...func(*app) *cobra.Command) {
	cmd.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, newCmd := range commands {
		sub := newCmd(a)
		sub.GroupID = title
		cmd.AddCommand(sub)
	}
}

// groupHelp is a group started without a command: help on standard error, and exit code 2.
func (a *app) groupHelp(cmd *cobra.Command, _ []string) error {
	if !a.json {
		cmd.SetOut(cmd.ErrOrStderr())
		_ = cmd.Help()
	}
	return usage("expected a command")
}

// knownCommand is the argument check of a group, which sees only words that are no command of it.
func knownCommand(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	detail := fmt.Sprintf("unknown command %q", words[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(words[0]); len(near) > 0 {
		detail += fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usage("%s", detail)
}

// args wraps cobra's argument check so that its complaint is a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%v", err)
		}
		return nil
	}
}

var errInterrupted = errors.New("interrupted: nothing was changed beyond what the lines above say")

// exclusiveFlags looks for flags that exclude each other before cobra does, whose complaint is a riddle.
func exclusiveFlags(cmd *cobra.Command, _ []string) error {
	err := cmd.ValidateFlagGroups()
	if err == nil {
		return nil
	}
	detail := err.Error()
	if i := strings.LastIndexByte(detail, '['); i >= 0 {
		names, _, _ := strings.Cut(detail[i+1:], "]")
		detail = "--" + strings.Join(strings.Fields(names), " and --") + " exclude each other"
	}
	return usage("%s", detail)
}

// usageError is a command line that can't be understood. Main knows the Command.
type usageError struct {
	Command string `json:"command"`
	Detail  string `json:"detail"`
}

func usage(format string, args ...any) error {
	return &usageError{Detail: fmt.Sprintf(format, args...)}
}

func (e *usageError) Error() string { return fmt.Sprintf("%s: %s", e.Command, e.Detail) }

func (e *usageError) Hint() string { return fmt.Sprintf("run '%s --help'", e.Command) }
