package registry_test

import (
	"testing"

	"github.com/loadr-plugins/loadr/internal/testregistry"
	"github.com/loadr-plugins/loadr/registry"
)

// newClient makes a client that ends with the test and writes the directory registry inside the test.
func newClient(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	o.Writer = testregistry.Writer
	c := registry.New(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	return c
}

func TestContract(t *testing.T) {
	t.Run("remote", func(t *testing.T) {
		testregistry.Contract(t, func(t *testing.T) testregistry.Place {
			return testregistry.Place{Registry: testregistry.New(t).Host(), Client: newClient(t, registry.Options{}), Immutable: true}
		})
	})
	t.Run("remote-without-referrers", func(t *testing.T) {
		testregistry.Contract(t, func(t *testing.T) testregistry.Place {
			return testregistry.Place{Registry: testregistry.Debian(t), Client: newClient(t, registry.Options{})}
		})
	})
	t.Run("directory", func(t *testing.T) {
		testregistry.Contract(t, func(t *testing.T) testregistry.Place {
			return testregistry.Place{Registry: registry.Local, Client: newClient(t, registry.Options{Dir: t.TempDir()}), Immutable: true}
		})
	})
}
