{{/*
A map as TOML: (dict "table" MAP "path" PREFIX). Helm's own toToml writes whole numbers from YAML as floating-point ones.
JSON's texts are TOML's, too.
*/}}
{{- define "tenure.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "tenure.toml.key" $key }} = {{ include "tenure.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $name := printf "%s%s" $path (include "tenure.toml.key" $key) }}

[{{ $name }}]
{{- include "tenure.toml" (dict "table" $value "path" (printf "%s." $name)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenure.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- define "tenure.toml.value" -}}
{{- if kindIs "slice" . -}}
[{{ range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "tenure.toml.value" $value }}{{ end }}]
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ toJson . }}{{ end }}
{{- else -}}
{{- toJson . }}
{{- end }}
{{- end }}

{{/* A duration as Tenure writes it ("1m30s", "500ms") in whole seconds, rounded up: (dict "value" TEXT "of" NAME). */}}
{{- define "tenure.seconds" -}}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h|d))+$" .value) -}}
{{- fail (printf "%s: %q is no duration; write it with its unit, for instance 20s or 1m30s" .of .value) }}
{{- end -}}
{{- $milliseconds := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" .value -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $sum = add $sum (mul (trimSuffix $unit . | int64) (get $milliseconds $unit)) -}}
{{- end -}}
{{- div (add $sum 999) 1000 }}
{{- end }}
