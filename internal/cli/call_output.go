package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/loadr-plugins/loadr/loader/plugin"
)

// feedFlags are what an output gets.
type feedFlags struct {
	items   []feedItem // in the order in which they are given
	summary string
}

// feedItem is one --samples or --snapshot: a JSON text, or where to read one from each line.
type feedItem struct{ flag, value string }

// feedValue collects the values of both flags in one list.
type feedValue struct {
	flag string
	to   *feedFlags
}

func (v feedValue) String() string { return "" }
func (v feedValue) Type() string   { return "JSON" }

func (v feedValue) Set(value string) error {
	v.to.items = append(v.to.items, feedItem{v.flag, value})
	return nil
}

func (f *feedFlags) add(flags *pflag.FlagSet) {
	flags.Var(feedValue{"samples", f}, "samples", "output: a batch of samples, a `JSON` array; @FILE or - for one on each line; repeatable")
	flags.Var(feedValue{"snapshot", f}, "snapshot", "output: a snapshot, a `JSON` object; @FILE or - for one on each line; repeatable")
	flags.StringVar(&f.summary, "summary", "", "output: the run's summary, a `JSON` object or @FILE (default {})")
}

// check reads the summary, and holds those values against what they are to be that stand on the command line.
func (f *feedFlags) check() error {
	if file, ok := strings.CutPrefix(f.summary, "@"); ok {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f.summary = strings.TrimSpace(string(text))
	}
	f.summary = cmp.Or(f.summary, "{}")
	if err := checkShape("--summary", '{', []byte(f.summary)); err != nil {
		return err
	}
	for _, item := range f.items {
		if item.value == "-" || strings.HasPrefix(item.value, "@") {
			continue
		}
		if err := checkShape("--"+item.flag, item.opening(), []byte(item.value)); err != nil {
			return err
		}
	}
	return nil
}

// opening is how a value's text begins.
func (i feedItem) opening() byte {
	if i.flag == "samples" {
		return '['
	}
	return '{'
}

// checkShape refuses what is not one JSON object or array. where names it for people.
func checkShape(where string, opening byte, text []byte) error {
	want := "object"
	if opening == '[' {
		want = "array"
	}
	if err := plugin.Check(text); err != nil {
		return usage("%s: expected a JSON %s: %v", where, want, err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte{opening}) {
		return usage("%s: expected a JSON %s, found another value", where, want)
	}
	return nil
}

// each hands over the item's values, as they are read.
func (i feedItem) each(stdin io.Reader, use func(text []byte) error) error {
	from := stdin
	if file, ok := strings.CutPrefix(i.value, "@"); ok {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	} else if i.value != "-" {
		return use([]byte(i.value))
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxBody)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := checkShape(fmt.Sprintf("--%s %s: line %d", i.flag, i.value, number), i.opening(), lines.Bytes()); err != nil {
			return err
		}
		if err := use(lines.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return usage("--%s %s: a line of more than %s", i.flag, i.value, size(maxBody))
	}
	return lines.Err()
}

// feedResult is what an output was given.
type feedResult struct {
	Name      string `json:"name"` // what the output calls itself
	Samples   int    `json:"samples"`
	Snapshots int    `json:"snapshots"`
}

// feed drives an output through a run.
func (d *driver) feed(ctx context.Context) error {
	var o plugin.Output
	err := d.bounded(ctx, func(ctx context.Context) (err error) {
		if o, err = d.process.Output(ctx); err == nil {
			err = o.Start(ctx, d.config)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer o.Close()
	result := feedResult{Name: o.Name()}
	for _, item := range d.flags.feed.items {
		method, count := o.Snapshot, &result.Snapshots
		if item.flag == "samples" {
			method, count = o.Samples, &result.Samples
		}
		err := item.each(d.in, func(text []byte) error {
			*count++
			return d.bounded(ctx, func(ctx context.Context) error { return method(ctx, text) })
		})
		if err != nil {
			return err
		}
	}
	summary := []byte(d.flags.feed.summary)
	if err := d.bounded(ctx, func(ctx context.Context) error { return o.Finish(ctx, summary) }); err != nil {
		return err
	}
	return d.print(result, func() {
		d.line("%s: snapshots %d, batches of samples %d, and the summary", clean(result.Name), result.Snapshots, result.Samples)
	})
}
