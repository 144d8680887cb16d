// Package rust holds the Rust crate that authors of native plugins build against. The Go side of it is only its files, for
// those who write them into a new plugin's folder.
package rust

import "embed"

// Files are the crate: Cargo.toml, build.rs, src and what belongs to it.
//
//go:embed Cargo.toml LICENSE README.md build.rs src
var Files embed.FS
