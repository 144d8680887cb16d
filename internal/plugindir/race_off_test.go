//go:build !race

package plugindir

// stride is by how many steps the kill tests advance.
const stride = 1
