// Package fsx holds the few file operations that everything durable here is built from: a file that appears whole or
// not at all, two folders that change places, a copy that is hashed while it is made, and a lock between processes.
//
// Durable means: once a function has returned, its effect survives a power cut, as far as the system's fsync tells the
// truth. Windows has no way to sync a directory; there a rename that has returned may still be lost with the power, but
// not torn.
//
// The package does not know what the files are for, never follows its own mistakes with a retry loop (except for Windows'
// short-lived sharing violations), and never makes a hard link: a tool that rewrites one name would change the other.
package fsx
