//go:build unix

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// writeTable writes the medians of each contender's turns, and the ratio of its time to that of its base.
func writeTable(out io.Writer, title string, contenders []contender, turns [][]turn) {
	fmt.Fprintf(out, "\n| %s | median | minimum | ratio of medians | requests | connections | peak memory |\n|---|---:|---:|---:|---:|---:|---:|\n", title)
	for i, c := range contenders {
		middle := median(turns[i], wall)
		ratio := ""
		if at := slices.IndexFunc(contenders, func(o contender) bool { return o.name == c.base }); at >= 0 {
			ratio = fmt.Sprintf("%.2f", middle/median(turns[at], wall))
		}
		low := slices.MinFunc(turns[i], func(a, b turn) int { return int(a.wall - b.wall) })
		fmt.Fprintf(out, "| %s | %s | %s | %s | %.0f | %.0f | %.0f MB |\n", c.name, seconds(middle), seconds(wall(low)), ratio,
			median(turns[i], func(t turn) float64 { return float64(t.requests) }),
			median(turns[i], func(t turn) float64 { return float64(t.connections) }),
			median(turns[i], func(t turn) float64 { return float64(t.peak) / (1 << 20) }))
	}
}

func wall(t turn) float64 { return t.wall.Seconds() }

func seconds(s float64) string {
	if s < 0.1 {
		return fmt.Sprintf("%.1f ms", s*float64(time.Second/time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", s)
}

func median(turns []turn, of func(turn) float64) float64 {
	var values []float64
	for _, t := range turns {
		values = append(values, of(t))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
