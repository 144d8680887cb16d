// Package airgap moves what a lock names to where its registries can't be reached: into a bundle, and from a bundle or the
// registries into another registry.
//
// It decides what belongs to a plugin and a choice of platforms. How a bundle looks is package registry/bundle's affair, how
// a registry is written package registry's, and installing from a bundle is what package install does with any source.
package airgap
