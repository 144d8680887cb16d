// Package server is the embedded registry: the HTTP face of a directory that holds one OCI image layout per repository.
//
// olareg stores and serves; this package adds what olareg leaves to its users: published versions that never change, one
// writer at a time for the whole directory, writes that survive a power cut, a token for writes over the network, and an
// answer that tells "unknown" from "broken".
//
// It knows nothing of plugins: to it an artifact is an OCI artifact, and a version is a tag that is a semantic version.
package server
