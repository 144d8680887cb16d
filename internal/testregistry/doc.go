// Package testregistry is an aid for tests: registries that run in or beside the test, count what they are asked, and
// fail on request; artifacts to put into them; and the suite that every kind of registry has to pass.
//
// The registries are real ones (the embedded server, Debian's docker-registry), not models of one. Everything listens on
// loopback and ends with the test. Nothing here is for use outside tests.
package testregistry
