// Package platforms shows that plugins run on the platforms that this machine is not: the same libraries, compiled for each,
// are opened and called by the same host, under an emulator (qemu-user) or another system's programs (Wine), and must behave as
// they do natively. docs/platforms.md says what follows for each platform.
//
// This file set is only the script that a host goes through and what it reports; host is the program, the tests build and run
// it. Nothing here is part of loadr, and what files look like without running them is tested where they are read, but for
// one table of all platforms.
package platforms
