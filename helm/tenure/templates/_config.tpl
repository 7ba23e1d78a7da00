{{/*
The Secrets that the container sees as files, below /etc/tenure/secrets. Each is a reference `{existingSecret, key}` and the
path that the configuration then names.
*/}}
{{- define "tenure.secretFiles" -}}
{{- $files := list -}}
{{- $store := .Values.store -}}
{{- $files = append $files (dict "from" $store.password "path" "redis/password") -}}
{{- $files = append $files (dict "from" $store.sentinel.password "path" "redis/sentinel-password") -}}
{{- $files = append $files (dict "from" $store.tls.ca "path" "redis/ca.crt") -}}
{{- $cert := $store.tls.cert -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $cert.existingSecret "key" $cert.certKey) "path" "redis/tls.crt") -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $cert.existingSecret "key" $cert.keyKey) "path" "redis/tls.key") -}}
{{- with .Values.tls -}}
{{- if .enabled -}}
{{- $secret := include "tenure.tlsSecret" $ -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $secret "key" .certKey) "path" "tls/tls.crt") -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $secret "key" .keyKey) "path" "tls/tls.key") -}}
{{- $files = append $files (dict "from" .clientCa "path" "tls/client-ca.crt") -}}
{{- end -}}
{{- end -}}
{{- range $kind := list "jwt" "users" -}}
{{- range $name, $issuer := get $.Values.auth $kind -}}
{{- range $setting := list "jwks" "jwksCa" "jwksToken" -}}
{{- $from := default (dict) (get $issuer $setting) -}}
{{- $files = append $files (dict "from" $from "path" (printf "%s/%s/%s" $kind $name $setting)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $caller := .Values.auth.apiKeys -}}
{{- $files = append $files (dict "from" $caller "path" (printf "apikeys/%s" $name)) -}}
{{- end -}}
{{- $files = append $files (dict "from" .Values.encryption.keys "path" "encryption/keys") -}}
{{- with .Values.audit -}}
{{- $files = append $files (dict "from" .signingKey "path" "audit/signing.pem") -}}
{{- $files = append $files (dict "from" .encryptionKeys "path" "audit/encryption.keys") -}}
{{- $files = append $files (dict "from" .hashKey "path" "audit/hash.key") -}}
{{- end -}}
{{- with .Values.telemetry.otlp -}}
{{- $files = append $files (dict "from" .headers "path" "otlp/headers") -}}
{{- $files = append $files (dict "from" .tls.ca "path" "otlp/ca.crt") -}}
{{- $cert := .tls.cert -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $cert.existingSecret "key" $cert.certKey) "path" "otlp/tls.crt") -}}
{{- $files = append $files (dict "from" (dict "existingSecret" $cert.existingSecret "key" $cert.keyKey) "path" "otlp/tls.key") -}}
{{- end -}}
{{- range $files }}
{{- if .from.existingSecret }}
- secret: {{ .from.existingSecret | quote }}
  key: {{ required (printf "the Secret %s: say which key of it" .from.existingSecret) .from.key | quote }}
  path: {{ .path | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* (dict "files" PATHS "path" PATH): where that file is, or nothing if there is none. */}}
{{- define "tenure.file" -}}
{{- if has .path .files }}/etc/tenure/secrets/{{ .path }}{{ end }}
{{- end }}

{{/* An issuer of tokens, as its section of the configuration: (dict "issuer" MAP "files" PATHS "at" PREFIX). */}}
{{- define "tenure.issuer" -}}
{{- $section := dict -}}
{{- range $key, $value := dict "issuer" .issuer.issuer "audiences" .issuer.audiences "algorithms" .issuer.algorithms "leeway" .issuer.leeway "jwks_url" .issuer.jwksUrl -}}
{{- if $value }}{{ $_ := set $section $key $value }}{{ end -}}
{{- end -}}
{{- range $setting, $key := dict "jwks" "jwks_file" "jwksCa" "jwks_ca" "jwksToken" "jwks_token_file" -}}
{{- $file := include "tenure.file" (dict "files" $.files "path" (printf "%s/%s" $.at $setting)) -}}
{{- if $file }}{{ $_ := set $section $key $file }}{{ end -}}
{{- end -}}
{{- toYaml $section }}
{{- end }}

{{/* The configuration as YAML: what the values come to, and over it `config`. */}}
{{- define "tenure.config" -}}
{{- $values := .Values -}}
{{- $files := list -}}
{{- range include "tenure.secretFiles" . | fromYamlArray }}{{ $files = append $files .path }}{{ end -}}

{{- $grpc := dict "listen" (printf "%s:%v" $values.listenAddress $values.ports.grpc) "drain_grace" $values.shutdown.drainGrace "max_connection_age" $values.maxConnectionAge -}}
{{- if $values.auth.insecure }}{{ $_ := set $grpc "insecure" true }}{{ end -}}

{{- $store := dict -}}
{{- $optional := dict
  "url" $values.store.url
  "redis_username" $values.store.username
  "redis_sentinel_username" $values.store.sentinel.username
  "redis_key_prefix" $values.store.keyPrefix -}}
{{- range $key, $value := $optional }}{{ if $value }}{{ $_ := set $store $key $value }}{{ end }}{{ end -}}
{{- range $key, $value := dict "redis_replicas" $values.store.replicas "redis_replicas_to_wait" $values.store.replicasToWait -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $store $key $value }}{{ end -}}
{{- end -}}

{{- $callers := dict -}}
{{- if ne $values.auth.certificates "off" }}{{ $_ := set $callers "certificates" $values.auth.certificates }}{{ end -}}
{{- range $kind := list "jwt" "users" -}}
{{- $issuers := dict -}}
{{- range $name, $issuer := get $values.auth $kind -}}
{{- $_ := set $issuers $name (include "tenure.issuer" (dict "issuer" $issuer "files" $files "at" (printf "%s/%s" $kind $name)) | fromYaml) -}}
{{- end -}}
{{- if $issuers }}{{ $_ := set $callers $kind $issuers }}{{ end -}}
{{- end -}}
{{- with $values.auth.kubernetes -}}
{{- if .enabled -}}
{{- $issuer := dict "issuer" .issuer "audiences" .audiences "jwks_url" .jwksUrl "jwks_ca" "/var/run/secrets/tenure/ca.crt" "jwks_token_file" "/var/run/secrets/tenure/token" -}}
{{- $_ := set $callers "jwt" (set (default (dict) $callers.jwt) .name $issuer) -}}
{{- end -}}
{{- end -}}
{{- $apikeys := dict -}}
{{- range $name, $caller := $values.auth.apiKeys -}}
{{- if $caller.existingSecret -}}
{{- $_ := set $apikeys $name (dict "hash_file" (printf "/etc/tenure/secrets/apikeys/%s" $name)) -}}
{{- else -}}
{{- $_ := set $apikeys $name (dict "hashes" $caller.hashes) -}}
{{- end -}}
{{- end -}}
{{- if $apikeys }}{{ $_ := set $callers "apikey" $apikeys }}{{ end -}}

{{- $keys := dict -}}
{{- $audit := dict -}}
{{- if $values.audit.sink }}{{ $_ := set $audit "sink" $values.audit.sink }}{{ end -}}
{{- if eq $values.audit.sink "file" }}{{ $_ := set $audit "directory" "/var/lib/tenure/audit" }}{{ end -}}
{{- $telemetry := dict -}}
{{- with $values.telemetry.otlp.endpoint }}{{ $_ := set $telemetry "otlp_endpoint" . }}{{ end -}}
{{- if not (kindIs "invalid" $values.telemetry.traceRatio) }}{{ $_ := set $telemetry "trace_ratio" $values.telemetry.traceRatio }}{{ end -}}
{{- $paths := list
  (list $telemetry "otlp_headers_file" "otlp/headers")
  (list $telemetry "otlp_tls_ca" "otlp/ca.crt")
  (list $telemetry "otlp_tls_cert" "otlp/tls.crt")
  (list $telemetry "otlp_tls_key" "otlp/tls.key")
  (list $store "redis_password_file" "redis/password")
  (list $store "redis_sentinel_password_file" "redis/sentinel-password")
  (list $store "redis_tls_ca" "redis/ca.crt")
  (list $store "redis_tls_cert" "redis/tls.crt")
  (list $store "redis_tls_key" "redis/tls.key")
  (list $grpc "tls_cert" "tls/tls.crt")
  (list $grpc "tls_key" "tls/tls.key")
  (list $grpc "tls_client_ca" "tls/client-ca.crt")
  (list $keys "file" "encryption/keys")
  (list $audit "signing_key_file" "audit/signing.pem")
  (list $audit "encryption_key_file" "audit/encryption.keys")
  (list $audit "hash_key_file" "audit/hash.key") -}}
{{- range $paths -}}
{{- $file := include "tenure.file" (dict "files" $files "path" (index . 2)) -}}
{{- if $file }}{{ $_ := set (index . 0) (index . 1) $file }}{{ end -}}
{{- end -}}
{{- if $values.tls.clientOptional }}{{ $_ := set $grpc "tls_client_optional" true }}{{ end -}}

{{- $config := dict
  "grpc" $grpc
  "http" (dict "listen" (printf "%s:%v" $values.listenAddress $values.ports.http))
  "log" (dict "filter" $values.log.filter "format" $values.log.format) -}}
{{- range $section, $settings := dict "store" $store "keys" $keys "audit" $audit "telemetry" $telemetry "callers" $callers "policy" $values.auth.policy -}}
{{- if $settings }}{{ $_ := set $config $section $settings }}{{ end -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy $config) (deepCopy $values.config)) }}
{{- end }}

{{- define "tenure.isMemory" -}}
{{- $store := default (dict) (include "tenure.config" . | fromYaml).store -}}
{{- if eq (default "" $store.url) "memory:" }}true{{ end }}
{{- end }}

{{/* Seconds from the signal's eve to the end: what Kubernetes has to grant. */}}
{{- define "tenure.gracePeriod" -}}
{{- $config := include "tenure.config" . | fromYaml -}}
{{- $drain := include "tenure.seconds" (dict "value" $config.grpc.drain_grace "of" "the drain grace (shutdown.drainGrace, config.grpc.drain_grace)") | int -}}
{{- $given := .Values.shutdown.terminationGracePeriodSeconds -}}
{{- $pause := int .Values.shutdown.preStopSeconds -}}
{{- $least := add $pause $drain 2 -}}
{{- if kindIs "invalid" $given -}}
{{- add $pause $drain 5 }}
{{- else if lt (int $given) (int $least) -}}
{{- fail (printf "shutdown.terminationGracePeriodSeconds: %d s would kill a pod that may still finish calls: %d s of preStopSeconds, %d s of draining and 2 s to end are %d; leave it out to have it computed" (int $given) $pause $drain (int $least)) }}
{{- else -}}
{{- int $given }}
{{- end }}
{{- end }}
