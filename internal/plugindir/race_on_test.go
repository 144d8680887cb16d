//go:build race

package plugindir

// stride is by how many steps the kill tests advance: children with the race detector take seconds each.
const stride = 5
