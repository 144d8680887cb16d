// Package testplugin is an aid for tests: it compiles C and Rust libraries for any target that plugins are made for, so
// that tests work on real ELF, Mach-O and PE files instead of bytes kept in the repository.
//
// The C compilers are the machine's own `cc` for the machine's own target, and zig's (`python3 -m ziglang cc`, or `zig cc`)
// for every other. Rust is compiled by cargo, and linked for other targets by a cross gcc or by cargo-zigbuild. A test that
// needs a tool which is not there is skipped with a line that says so.
//
// Results are kept in the user's cache directory under a hash of everything that they depend on, so a library is built
// once per machine and not once per test. All functions are safe for concurrent use, in one process and in several.
//
// The package does not run or open what it builds, and is not for use outside of tests.
package testplugin
