// Package bundle reads and writes bundles: one OCI image layout, as a folder or a tar file, with releases of plugins from
// any registries, and what refers to them. docs/spec/bundle.md is the format.
//
// A Bundle answers the requests of the distribution specification in this process, so that what reads it is the registry
// client as it is for every other place: the same verification while streaming, the same parsing, the same errors.
// Nothing is unpacked, and no blob is ever held in memory.
//
// The package knows no locks and chooses nothing: what goes into a bundle is its caller's decision.
package bundle
