package cli

import (
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/loadr-plugins/loadr/internal/install"
)

// progress shows downloads on standard error: bars on a terminal, one line each otherwise. The zero value with app set
// is ready; close waits for the bars to be drawn.
type progress struct {
	app  *app
	once sync.Once
	bars *mpb.Progress
}

// start shows one download of total bytes.
func (p *progress) start(name string, total int64) install.Progress {
	if p.app.quiet || p.app.json || !p.app.onTerminal() {
		p.app.note("fetching %s (%s)", clean(name), size(total))
		return silent{}
	}
	p.once.Do(func() { p.bars = mpb.New(mpb.WithOutput(p.app.err), mpb.WithWidth(40)) })
	return &bar{p.bars.AddBar(total,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("fetching "+clean(name)+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")),
	)}
}

func (p *progress) close() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

type bar struct{ bar *mpb.Bar }

func (b *bar) Add(n int) { b.bar.IncrBy(n) }

// Done completes the bar whatever the count, so that close never waits for bytes that won't come.
func (b *bar) Done(complete bool) {
	if complete {
		b.bar.SetTotal(-1, true)
		return
	}
	b.bar.Abort(true)
}

type silent struct{}

func (silent) Add(int)   {}
func (silent) Done(bool) {}
