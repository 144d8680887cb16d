// Package gosdk holds the Go package that authors of C-interface plugins in Go build against. This side of it is only its
// files, for those who write them into a new plugin's folder: a program that imported loadrplugin itself would become
// a plugin.
package gosdk

import "embed"

// Files are the package: the folder loadrplugin with its sources, without their tests. They need nothing but Go's
// standard library and a C compiler.
//
//go:embed loadrplugin/doc.go loadrplugin/plugin.go loadrplugin/json.go loadrplugin/export.go
var Files embed.FS
