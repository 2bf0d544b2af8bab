// Package admissiontest holds admission, tier access and status against a real
// API server: every refusal with its message, by every way in, as users of
// different rights.
package admissiontest
