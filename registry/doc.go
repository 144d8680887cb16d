// Package registry reads and writes plugins where they live: in OCI registries, in the directory registry of this
// machine, and in OCI image layouts on disk. docs/spec/artifact.md is the format.
//
// A Client is one HTTP client for all of them. The directory registry answers the same requests as a remote one, over a
// connection inside this process, so that there is one code path to test and one to trust.
//
// Nothing that comes from outside is believed: manifests are bounded, every byte is checked against the digest and the
// length that named it, and what the artifact says about itself is compared with what was asked for.
//
// The package does not choose versions (resolve), keep what it fetched (cache), decompress or inspect libraries
// (internal/install, loader), judge signatures (trust), or print.
package registry
