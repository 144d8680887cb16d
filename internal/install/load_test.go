package install_test

import (
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/internal/install"
	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// TestManyAtOnce installs dozens of plugins with a lock: two requests each, as many at once as allowed and no more, over
// connections that are used again.
func TestManyAtOnce(t *testing.T) {
	const plugins, atOnce = 50, 8
	specs, names := many(plugins)
	p, server := remote(t, specs...)
	p.lockPlugins(names...)
	p.client = newClient(t, registry.Options{})
	server.Take()
	server.TakeLoad()
	server.Inject(testregistry.Fault{Delay: 10 * time.Millisecond})
	in := p.installer()
	in.Concurrency = atOnce
	if _, err := in.Install(t.Context(), install.Options{}); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, server, "install with a lock, cold", times(plugins, "GET blob", "GET blob")...)
	connections, most := server.TakeLoad()
	if most > atOnce || most < atOnce/2 {
		t.Errorf("%d requests at once, expected %d", most, atOnce)
	}
	if connections > atOnce {
		t.Errorf("%d connections for %d requests, %d at once", connections, 2*plugins, atOnce)
	}
	p.wantSound()
}

// TestManyLookUpsAtOnce: resolution keeps to the bound too.
func TestManyLookUpsAtOnce(t *testing.T) {
	const plugins, atOnce = 20, 4
	specs, names := many(plugins)
	p, server := remote(t, specs...)
	p.client = newClient(t, registry.Options{})
	server.Take()
	server.TakeLoad()
	server.Inject(testregistry.Fault{Delay: 10 * time.Millisecond})
	in := p.installer()
	in.Concurrency = atOnce
	if _, err := in.Install(t.Context(), install.Options{Want: references(t, names...)}); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, server, "install without a lock, cold", times(plugins, "GET tags", "GET manifest", "GET referrers", "GET blob")...)
	if connections, most := server.TakeLoad(); most > atOnce || most < 2 || connections > atOnce {
		t.Errorf("%d requests at once over %d connections, expected %d and no more", most, connections, atOnce)
	}
}
