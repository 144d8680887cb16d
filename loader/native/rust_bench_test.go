package native_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// BenchmarkRustExecute calls a plugin that returns its request as it is: one call of the library, and the check of the
// reply. The peers, a Rust host and a cgo host of the same library, are in internal/bench.
func BenchmarkRustExecute(b *testing.B) {
	p, err := openLibrary(b, rustTrouble(b)).Protocol(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	use := func([]byte) error { return nil }
	for _, size := range []int{200, 64 << 10} {
		request := fmt.Appendf(nil, `{"name":"n","method":"SEND","url":"trouble://h","headers":[],"body_b64":"%0*d"}`, size-78, 0)
		run := func(name string, ctx context.Context) {
			b.Run(fmt.Sprintf("%dB%s", len(request), name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := p.Execute(ctx, request, use); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("", context.Background())
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		run("/deadline", ctx)
	}
	b.Run("parallel", func(b *testing.B) {
		request := fmt.Appendf(nil, `{"name":"n","method":"SEND","url":"trouble://h","headers":[],"body_b64":"%0*d"}`, 122, 0)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := p.Execute(context.Background(), request, use); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkCheckOf200Bytes(b *testing.B) {
	request := fmt.Appendf(nil, `{"name":"n","method":"SEND","url":"trouble://h","headers":[],"body_b64":"%0*d"}`, 122, 0)
	for b.Loop() {
		if err := plugin.Check(request); err != nil {
			b.Fatal(err)
		}
	}
}
