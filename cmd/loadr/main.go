// Command loadr is the package manager of loadr's plugins. It is static and cannot open a library: running plugin code
// is the work of loadr-worker, which it starts.
package main

import (
	"os"

	"github.com/loadr-plugins/loadr/internal/cli"
)

func main() { os.Exit(cli.Main()) }
