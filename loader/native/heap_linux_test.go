package native_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ebitengine/purego"

	"github.com/loadr-plugins/loadr/internal/testplugin"
	"github.com/loadr-plugins/loadr/loader"
	"github.com/loadr-plugins/loadr/loader/native"
)

func init() { children["heap"] = watchHeap }

// A million calls of all kinds leave nothing behind: not in the plugin's allocator, nor in the C library's, which an
// allocator in front of it counts for the whole process.
func TestHeapStaysFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a million calls")
	}
	target, ok := loader.HostTarget()
	if !ok || !strings.HasSuffix(string(target), "linux-gnu") {
		t.Skip("counts by LD_PRELOAD, on Linux with glibc")
	}
	source, err := os.ReadFile("testdata/heap.c")
	if err != nil {
		t.Fatal(err)
	}
	shim := testplugin.C(t, target, string(source), "-O2", "-ldl")
	out, err := inChild(t, "heap", rustTrouble(t), "LD_PRELOAD="+shim)
	if err != nil || !strings.Contains(out, "--- PASS: TestChild") {
		t.Errorf("found %v\n%s", err, out)
	}
	t.Log(out)
}

// watchHeap runs rounds of calls and compares what is alive after each.
func watchHeap(t *testing.T, lib *native.Library) {
	live, made := heapCounter(t, "heap_live"), heapCounter(t, "heap_made")
	var first counts
	var firstLive int
	for round := range 6 {
		manyCalls(t, lib, 200_000)
		c, now := count(t, lib), live()
		t.Logf("after %d calls: %d allocations of the plugin in %d bytes, %d of the process, %d ever, %d kB resident",
			c.Calls, c.Allocations, c.Bytes, now, made(), resident())
		if round == 0 {
			first, firstLive = c, now
			continue
		}
		// The pool has up to 64 strings, of any size that the calls had; threads come and go with some of their own.
		if c.Allocations > first.Allocations+64 || now > firstLive+64 {
			t.Errorf("it grows: after the first round %+v and %d, found %+v and %d", first, firstLive, c, now)
		}
		if c.Made-c.Dropped != 1 || c.DroppedBusy != 0 || c.Overlaps != 0 {
			t.Errorf("expected each object dropped once, found %+v", c)
		}
	}
	if made() < 1_000_000 {
		t.Errorf("the shim has seen %d allocations only", made())
	}
}

func heapCounter(t *testing.T, name string) func() int {
	t.Helper()
	address, err := purego.Dlsym(purego.RTLD_DEFAULT, name)
	if err != nil {
		t.Fatal(err)
	}
	return func() int {
		n, _, _ := purego.SyscallN(address)
		return int(n)
	}
}

// resident gives this process's memory in kB.
func resident() (kilobytes int) {
	text, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	_, _ = fmt.Sscan(after, &kilobytes)
	return kilobytes
}

// manyCalls makes calls of all kinds from 64 goroutines, each with objects of its own that come and go.
func manyCalls(t *testing.T, lib *native.Library, calls int) {
	const goroutines, lifetime = 64, 50 // calls of one object
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			ctx := context.Background()
			if g%4 == 0 {
				ctx = t.Context()
			}
			for done := 0; done < calls/goroutines; done += lifetime {
				if err := oneLife(ctx, lib, g, lifetime); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func oneLife(ctx context.Context, lib *native.Library, g, calls int) error {
	p, err := lib.Protocol(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	o, err := lib.Output(ctx)
	if err != nil {
		return err
	}
	defer o.Close()
	requests := []string{
		`{"pad":"` + strings.Repeat("x", g*20) + `"}`, `{"do":"big","bytes":3000}`, `{"do":"foreign"}`, `{"do":"not-utf8"}`,
		`{"do":"empty"}`,
	}
	for n := range calls {
		switch n % 10 {
		case 8:
			err = o.Samples(ctx, []byte(`[]`))
		case 9:
			_ = o.Start(ctx, []byte(`{"do":"refuse"}`)) // a string in a result
		default:
			_, _ = send(ctx, p, requests[n%len(requests)]) // some of the replies are bad
		}
		if err != nil {
			return err
		}
	}
	return nil
}
