// Package directory is the directory registry as its readers and neighbours see it: one OCI image layout per repository
// below a root, served to HTTP clients in this process, and the way to the server that is writing it.
//
// It writes nothing; package server does. It knows nothing of plugins: to it an artifact is an OCI artifact, and a version is
// a tag that is a semantic version.
package directory
