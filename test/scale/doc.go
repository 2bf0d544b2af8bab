// Package scale makes large worlds of API objects, for measurements of what
// reads the API.
package scale
