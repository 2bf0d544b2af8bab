{{- /* The labels by which a part's pods are chosen: they never change. */ -}}
{{- define "tierwall.select" -}}
app.kubernetes.io/name: tierwall
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "tierwall.labels" -}}
{{ include "tierwall.select" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tierwall.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The role in a file of deploy/roles, without the binding behind it. */ -}}
{{- define "tierwall.role" -}}
{{ index (splitList "\n---\n" (.root.Files.Get (printf "files/%s.yaml" .file))) 0 }}
{{- end }}

{{- /* Binds the role of a part to its service account. */ -}}
{{- define "tierwall.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .role }}
  labels:
    {{- include "tierwall.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .role }}
subjects:
- kind: ServiceAccount
  namespace: {{ .root.Release.Namespace }}
  name: tierwall-{{ .part }}
{{- end }}

{{- /* The role of a part in the namespace of the release, which is in the same
file as the other one, and its binding. */ -}}
{{- define "tierwall.namespaced" -}}
{{- $root := .root }}
{{- range splitList "\n---\n" (.root.Files.Get (printf "files/%s.yaml" .file)) }}
{{- $object := fromYaml . }}
{{- if eq $object.kind "Role" }}
{{- $_ := set $object.metadata "namespace" $root.Release.Namespace }}
{{- toYaml $object }}
{{- end }}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .role }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tierwall.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .role }}
subjects:
- kind: ServiceAccount
  namespace: {{ .root.Release.Namespace }}
  name: tierwall-{{ .part }}
{{- end }}

{{- /* The volumes of the server, each mounted at its name. */ -}}
{{- define "tierwall.serverVolumes" -}}
{{- with .Values.server.certificateSecret }}
- name: certificate
  secret: {secretName: {{ . }}}
{{- end }}
{{- if .Values.server.flows.enabled }}
- name: flows
  {{- toYaml .Values.server.flows.volume | nindent 2 }}
{{- end }}
{{- with .Values.server.manager }}
{{- if .enabled }}
{{- with .certificateSecret }}
- name: manager
  secret: {secretName: {{ . }}}
{{- end }}
{{- if .oidc.issuer }}
{{- with .oidc.caSecret }}
- name: oidc
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
