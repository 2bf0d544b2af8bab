// Package helm holds helm as a tool of this module, and the tests of the charts:
// what they render to, and which values their schemas refuse.
package helm
