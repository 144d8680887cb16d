// Package plugintest is the contract of package plugin's interfaces as tests: what a caller may rely on wherever a library
// runs. Every implementation of plugin.Library runs it.
//
// It does not compile or open libraries: a test hands it one that behaves as Library says, be it loader/native's test plugin
// "trouble" or Fake, its likeness in Go.
package plugintest
