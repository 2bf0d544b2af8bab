// Package book keeps which addresses domain names were learned to have, and how
// long each counts.
//
// A name may have many addresses, and an address many names. Each pair is a
// Lease. It counts as long as its TTL runs, with a floor and an extra, and after
// that as long as a connection to the address lives. The book is bounded by name
// and in all; what it refuses it counts.
//
// It knows neither the kernel nor the disk nor the clock: who uses it says what
// time it is, which connections live, and when the kernel has been told.
package book
