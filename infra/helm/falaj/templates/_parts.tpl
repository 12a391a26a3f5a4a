{{- define "falaj.labels" -}}
app.kubernetes.io/name: falaj
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "falaj.metadata" -}}
name: {{ .root.Release.Name }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "falaj.labels" . | nindent 2 }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "falaj.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "falaj.container" -}}
image: {{ .root.Values.image.repository }}@{{ .root.Values.image.digest }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
resources:
  requests: {cpu: {{ .size.cpu | quote }}, memory: {{ .size.memory }}}
  limits: {cpu: {{ .size.cpu | quote }}, memory: {{ .size.memory }}}
volumeMounts:
  - {name: home, mountPath: /var/lib/falaj}
  - {name: scratch, mountPath: /tmp}
{{- end }}

{{- define "falaj.home" -}}
- {name: FALAJ_HOME, value: /var/lib/falaj}
- {name: HOME, value: /var/lib/falaj}
{{- end }}

{{- define "falaj.claim" -}}
- metadata: {name: home}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .className }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ .size }}}}
{{- end }}

{{- define "falaj.to" -}}
{{- range .cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
