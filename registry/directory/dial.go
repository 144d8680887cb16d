package directory

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// SocketPath is the name of the file in StateDir that says where the server's socket is: its path may be too long for a
// socket's address.
const SocketPath = "serve.path"

// DialServer connects to the server that holds the registry in root. The error says nothing but that there is none.
func DialServer(ctx context.Context, root string) (net.Conn, error) {
	path, err := os.ReadFile(filepath.Join(root, StateDir, SocketPath))
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimSpace(string(path)))
}
