package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/loadr-plugins/loadr/internal/config"
	"github.com/loadr-plugins/loadr/registry/directory"
	"github.com/loadr-plugins/loadr/registry/program"
)

func newRegistryCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Serve the directory registry, log in to others, and look after catalogues",
		Args:  knownCommand,
		RunE:  a.groupHelp,
	}
	cmd.AddCommand(newServeCmd(a), newLoginCmd(a), newLogoutCmd(a), newIndexCmd(a))
	return cmd
}

func newServeCmd(a *app) *cobra.Command {
	var addr, authFile string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the directory registry over HTTP until interrupted",
		Long: `Serve puts the directory registry on a port, for other OCI clients and for other users of this machine. Meanwhile this
user's commands reach the directory through the server. Reading is open; writing needs the token that the first start
writes into the directory.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(os.Getenv)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			p, err := program.Start(ctx, program.Options{
				Root: c.RegistryDir, Addr: addr, AuthFile: authFile, Note: fmt.Sprintf("loadr registry serve (process %d)", os.Getpid()),
			})
			if err != nil {
				return err
			}
			a.printServing(c.RegistryDir, p.Hello)
			return p.Wait(ctx)
		},
	}
	cmd.Flags().StringVar(&authFile, "auth-file", "", "a `file` that says who may read and write (see docs/registries.md)")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:5050", "the `address` to listen on")
	return cmd
}

// serving is what the server says once, when it is ready.
type serving struct {
	Root      string           `json:"root"`
	URL       string           `json:"url"`
	Address   string           `json:"address"` // host:port, as references name it
	Writing   directory.Access `json:"writing"` // token, file or read-only
	TokenFile string           `json:"token_file,omitempty"`
}

// printServing says where the server is, once it answers.
func (a *app) printServing(dir string, s program.Hello) {
	// A closed output is no reason to stop serving.
	_ = a.print(serving{dir, "http://" + s.Addr, s.Addr, s.Access, s.TokenFile}, func() {
		a.line("serving %s on http://%s", dir, s.Addr)
		switch s.Access {
		case directory.ByToken:
			a.note("writing needs the token in %s: loadr registry login %s --username %s --password-stdin < %s",
				s.TokenFile, s.Addr, directory.User, s.TokenFile)
		case directory.Refused:
			a.note("other machines can reach this address, so writing over it is refused; reading is open")
		}
	})
}

func newLoginCmd(a *app) *cobra.Command {
	var user string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "login HOST",
		Short: "Check credentials for a registry and keep them in docker's credential store",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			user, secret, err := a.credentials(user, fromStdin)
			if err != nil {
				return err
			}
			client, _, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Login(cmd.Context(), words[0], user, secret); err != nil {
				return err
			}
			return a.print(map[string]string{"registry": words[0], "username": user}, func() { a.line("logged in to %s", words[0]) })
		},
	}
	cmd.Flags().StringVarP(&user, "username", "u", "", "the user's `name`")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

// credentials asks on a terminal for what the flags don't say. A password is never a flag: other users could see it.
func (a *app) credentials(user string, fromStdin bool) (string, string, error) {
	in := bufio.NewReader(a.in)
	if fromStdin {
		secret, err := io.ReadAll(io.LimitReader(in, 1<<16))
		return user, strings.TrimRight(string(secret), "\r\n"), err
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", "", usage("standard input is not a terminal: give --username and --password-stdin")
	}
	if user == "" {
		fmt.Fprint(a.err, "username: ")
		line, err := in.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		user = strings.TrimSpace(line)
	}
	fmt.Fprint(a.err, "password: ")
	secret, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(a.err)
	return user, string(secret), err
}

func newLogoutCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logout HOST",
		Short: "Remove the credentials for a registry from docker's credential store",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			client, _, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Logout(cmd.Context(), words[0]); err != nil {
				return err
			}
			return a.print(map[string]string{"registry": words[0]}, func() { a.line("logged out of %s", words[0]) })
		},
	}
}
