// Package loader tells what a plugin's library is without running it, and starts plugins in a worker process.
//
// Inspect reads a library's file and reports its format, machine, needed libraries, C library floor and plugin
// interface as a manifest.Library; Matches compares such a report with a target, and HostLibc and HostTarget say what
// this machine is. All of it is reading: nothing of a library, and no other program, is executed, because opening a
// dynamic library runs its constructors before any check could be made.
//
// Running a plugin's code is a separate act in a separate process: Start launches a worker for one plugin and gives its
// client. The package never links the code that opens a library; that is package loader/native, in the worker.
//
// The package does not fetch, install or verify signatures, and does not know where libraries are kept.
package loader
