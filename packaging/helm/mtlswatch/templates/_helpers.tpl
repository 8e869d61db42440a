{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "mtlswatch.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "mtlswatch.selector" -}}
app.kubernetes.io/name: mtlswatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mtlswatch.labels" -}}
{{ include "mtlswatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "mtlswatch.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "mtlswatch.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mtlswatch.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* mtlswatch.yaml: what the values say stands above what the chart does. */}}
{{- define "mtlswatch.config" -}}
{{- $own := dict "http" (dict "listen" (printf "0.0.0.0:%v" .Values.metrics.port)) "admin" (dict "socket" "/run/mtlswatch/admin.sock") -}}
{{- if .Values.cluster -}}
{{- $_ := set $own "kubernetes" (dict "cluster" .Values.cluster) -}}
{{- end -}}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml -}}
{{- end -}}
