{{/* What would render and then not run, or not do what was meant. Each says what to do. */}}
{{- define "tenure.check" -}}
{{- $values := .Values -}}
{{- $config := include "tenure.config" . | fromYaml -}}
{{- $store := default (dict) $config.store -}}
{{- $callers := default (dict) $config.callers -}}

{{- if not (or $store.url $values.store.urlFrom.existingSecret) -}}
{{- fail "store.url: say where the sessions are kept: a Redis of yours (values-standalone.yaml, values-sentinel.yaml and values-cluster.yaml show how), or memory: for trying it out (values-memory.yaml)" }}
{{- end -}}
{{- if and $store.url $values.store.urlFrom.existingSecret -}}
{{- fail "store.url: is given beside store.urlFrom.existingSecret; give it in one place" }}
{{- end -}}
{{- if regexMatch "://[^/@]*:[^/@]*@" (default "" $store.url) -}}
{{- fail "store.url: holds a password, and would stand in a ConfigMap; give it with store.password.existingSecret, or the whole URL with store.urlFrom.existingSecret" }}
{{- end -}}
{{- range $key := list "redis_password" "redis_sentinel_password" -}}
{{- if hasKey $store $key -}}
{{- fail (printf "config.store.%s: would stand in a ConfigMap; use store.password.existingSecret or store.sentinel.password.existingSecret" $key) }}
{{- end -}}
{{- end -}}
{{- if hasKey (default (dict) $config.keys) "inline" -}}
{{- fail "config.keys.inline: would stand in a ConfigMap; use encryption.keys.existingSecret" }}
{{- end -}}
{{- if hasKey (default (dict) $config.telemetry) "otlp_headers" -}}
{{- fail "config.telemetry.otlp_headers: would stand in a ConfigMap; use telemetry.otlp.headers.existingSecret" }}
{{- end -}}

{{- if include "tenure.isMemory" . -}}
{{- if $values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled: on memory: each replica has sessions of its own; use a Redis" }}
{{- else if ne (int $values.replicaCount) 1 -}}
{{- fail (printf "replicaCount: on memory: each replica has sessions of its own, so there can be one, not %d; use a Redis" (int $values.replicaCount)) }}
{{- end -}}
{{- if eq (default "" $values.strategy.type) "RollingUpdate" -}}
{{- fail "strategy: on memory: two pods at once would each have sessions of their own; leave it out, or use Recreate" }}
{{- end -}}
{{- end -}}

{{- $known := or (ne (default "off" $callers.certificates) "off") $callers.jwt $callers.apikey -}}
{{- if not (or $known $config.grpc.insecure) -}}
{{- fail "auth: say who may call (auth.kubernetes, auth.jwt, auth.apiKeys or auth.certificates, with auth.policy), or auth.insecure=true to let in everybody who reaches the port" }}
{{- end -}}
{{- if and $known (not $config.policy) -}}
{{- fail "auth.policy: callers are known, but none may do anything; add a rule" }}
{{- end -}}
{{- if and (ne (default "off" $callers.certificates) "off") (not $config.grpc.tls_client_ca) -}}
{{- fail "auth.certificates: needs tls.enabled and tls.clientCa.existingSecret, the authority of the callers' certificates" }}
{{- end -}}
{{- range $name, $caller := $values.auth.apiKeys -}}
{{- if and $caller.existingSecret $caller.hashes -}}
{{- fail (printf "auth.apiKeys.%s: hashes are given beside existingSecret; give them in one place" $name) }}
{{- else if not (or $caller.existingSecret $caller.hashes) -}}
{{- fail (printf "auth.apiKeys.%s: has neither hashes nor existingSecret" $name) }}
{{- end -}}
{{- end -}}

{{- if $values.tls.enabled -}}
{{- if $values.tls.certManager.enabled -}}
{{- if not $values.tls.certManager.issuerRef.name -}}
{{- fail "tls.certManager.issuerRef.name: say which issuer makes the certificate" }}
{{- end -}}
{{- else if not $values.tls.existingSecret -}}
{{- fail "tls.existingSecret: name the Secret with the certificate, or have cert-manager make one (tls.certManager.enabled)" }}
{{- end -}}
{{- else if or $values.tls.certManager.enabled $values.tls.existingSecret $values.tls.clientCa.existingSecret -}}
{{- fail "tls.enabled: is false, but other settings of tls are given; set it, or remove them" }}
{{- end -}}

{{- if and $values.store.sentinel.password.existingSecret $store.url (not (hasPrefix "redis+sentinel" $store.url)) (not (hasPrefix "rediss+sentinel" $store.url)) -}}
{{- fail "store.sentinel.password: store.url names no sentinels" }}
{{- end -}}
{{- if and (eq $values.audit.sink "file") (not $values.audit.volume) -}}
{{- fail "audit.volume: say where the audit's files go, for instance {persistentVolumeClaim: {claimName: …}}" }}
{{- end -}}
{{- if and $values.metrics.serviceMonitor.enabled (not $values.headlessService.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled: needs headlessService.enabled, whose HTTP port is scraped" }}
{{- end -}}
{{- if and (not (kindIs "invalid" $values.podDisruptionBudget.minAvailable)) (not (kindIs "invalid" $values.podDisruptionBudget.maxUnavailable)) $values.podDisruptionBudget.enabled -}}
{{- fail "podDisruptionBudget: give minAvailable or maxUnavailable (the other one null)" }}
{{- end -}}
{{- end }}
