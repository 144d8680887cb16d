package manifest

import (
	"encoding/json"
	"testing"
)

func TestConfigJSON(t *testing.T) {
	tests := map[string]string{
		"":          `{}`,
		"[config]":  `{}`,
		"config={}": `{}`,
		"[config]\n'b' = true\na = 'x'\n[config.c]\nd = [1, 'y', {e = false}]":                                 `{"a":"x","b":true,"c":{"d":[1,"y",{"e":false}]}}`,
		"[config]\na = 1.0\nb = -0.0\nc = 1e300\nd = 0.1\ne = 1e5":                                             `{"a":1.0,"b":-0.0,"c":1e+300,"d":0.1,"e":100000.0}`,
		"[config]\na = 9223372036854775807\nb = -9223372036854775808\nc = 0xff":                                `{"a":9223372036854775807,"b":-9223372036854775808,"c":255}`,
		"[config]\na = nan\nb = [inf, -inf]":                                                                   `{"a":null,"b":[null,null]}`,
		"[config]\na = '<a>&'\nb = \"\\u0000\\\"\"":                                                            `{"a":"<a>&","b":"\u0000\""}`,
		"[config]\na = 1979-05-27T07:32:00.5+02:00\nb = 1979-05-27T07:32:00\nc = 1979-05-27\nd = 07:32:00.250": `{"a":"1979-05-27T07:32:00.5+02:00","b":"1979-05-27T07:32:00","c":"1979-05-27","d":"07:32:00.250"}`,
		"[[config.list]]\na = 1\n[[config.list]]\na = 2":                                                       `{"list":[{"a":1},{"a":2}]}`,
	}
	for config, want := range tests {
		text := "plugin = {name='a', version='1.0.0', kind='output', type='native', entry='a.so'}\n" + config
		m, _, err := Parse("f", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		got := m.ConfigJSON()
		if string(got) != want || !json.Valid(got) {
			t.Errorf("%s:\n got %s\nwant %s", config, got, want)
		}
	}
}
