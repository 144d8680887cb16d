// Package manifest holds what a plugin says about itself: plugin.toml, and the vocabulary that every other package
// shares: names, kinds, ABI families and versions, targets, libc floors and the report of a library's inspection.
//
// It does no I/O and knows nothing of registries, caches or hosts. See docs/spec/manifest.md.
package manifest
