package main

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/loadr-plugins/loadr/sdk/go/loadrplugin"
)

func TestExecute(t *testing.T) {
	headers := []loadrplugin.Header{{"a", "b"}}
	extras := map[string]any{"method": "SEND", "url": "goecho://x"}
	for _, test := range []struct {
		config, options string
		status          int
		err             string
	}{
		{"", "", 200, ""},
		{`{"status":503,"other":1}`, `{"delay_ms":1}`, 503, ""},
		{`{"status":"503"}`, "", 0, "config: json: cannot unmarshal string into Go struct field .status of type int"},
		{"", `[]`, 0, `options: json: cannot unmarshal array into Go value of type struct { DelayMS int64 "json:\"delay_ms\"" }`},
	} {
		request := &loadrplugin.Request{Method: "SEND", URL: "goecho://x", Headers: headers, Body: []byte("hi")}
		if test.config != "" {
			request.Config = json.RawMessage(test.config)
		}
		if test.options != "" {
			request.Options = json.RawMessage(test.options)
		}
		got, err := execute(t.Context(), request)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("config %s, options %s: %v, want %s", test.config, test.options, err, test.err)
			}
			continue
		}
		want := &loadrplugin.Response{Status: test.status, Headers: headers, Body: []byte("hi"), Extras: extras}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("config %s, options %s: %+v, %v, want %+v", test.config, test.options, got, err, want)
		}
	}
}

func TestTheTimeoutEndsTheDelay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	started := time.Now()
	got, err := execute(ctx, &loadrplugin.Request{Options: json.RawMessage(`{"delay_ms":60000}`)})
	if err == nil || got != nil || time.Since(started) > 30*time.Second {
		t.Errorf("%+v, %v after %v", got, err, time.Since(started))
	}
}
