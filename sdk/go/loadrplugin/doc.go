// Package loadrplugin makes a loadr protocol plugin of a Go program: it exports the four functions of loadr's plain C
// interface, version 1, and turns each call into a call of an ordinary Go function.
//
//	package main
//
//	import "github.com/loadr-plugins/loadr/sdk/go/loadrplugin"
//
//	func init() {
//		loadrplugin.Register(loadrplugin.Protocol{
//			Name: "my-plugin", Version: "0.1.0", Schemes: []string{"my"},
//			Execute: func(ctx context.Context, r *loadrplugin.Request) (*loadrplugin.Response, error) {
//				return &loadrplugin.Response{Status: 200, Body: r.Body}, nil
//			},
//		})
//	}
//
//	func main() {} // a library has none, the go command wants one
//
// Build it with cgo, which needs a C compiler:
//
//	CGO_ENABLED=1 go build -buildmode=c-shared -trimpath -o libmy_plugin.so .
//
// A panic in Execute becomes the error of that one reply, and its stack goes to standard error. What Go itself can't
// recover from (two goroutines that write one map, a stack without end, a panic in a goroutine that Execute started)
// ends the process that has opened the library.
//
// The library brings a Go runtime of its own, also where the host is a Go program: two runtimes in one process, which share
// nothing. glibc, macOS and Windows can open such a library; musl cannot (golang/go issue 13492).
//
// The package carries protocols only, as the C interface does. It keeps no connections and knows nothing of plugin.toml.
package loadrplugin
