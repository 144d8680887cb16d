// Package worker carries calls between a program and the process in which a plugin runs: the frames on the wire, the
// client in the program and the server in the worker.
//
// It does not start processes (package loader does) and does not open libraries (the server is given a function that
// does), so a client never links the ability to.
//
// The wire is two pipes made for it, never the standard streams, which belong to the plugin. Everything is a frame:
//
//	uint32 length of the payload, uint8 kind, uint64 call number, payload     (numbers in little endian)
//
// Both sides first send hello, a JSON object with the protocol's version and the build, and end when the other's does not
// equal their own: the two programs are released together and need no compatibility. Then the client sends open and gets
// opened or failed. From then on it sends make and call frames with call numbers of its own choice, each larger than the
// one before, without waiting, and gets one made, reply or failed frame for each, in whatever order they end:
//
//	make: uint8 part                                  made: the object's name
//	call: uint64 object, uint8 method, text           reply: text
//	drop: uint64 object                               (nothing)
//
// An object is known by the number of the make frame that asked for it. A drop may come before made, from a client that has
// stopped waiting, and takes effect after all calls of the object that were sent before it. Calls of a protocol run side by
// side; those of an output or service one after another in the order in which they were sent. There is no way to take a
// call back: a client that stops waiting leaves it behind. The end of either pipe is the end of the worker.
package worker
